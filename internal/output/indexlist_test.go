package output

import (
	"slices"
	"strings"
	"testing"
)

func TestIndexList(t *testing.T) {
	for _, tt := range []struct {
		numbers []int
		want    string
	}{
		{nil, ""}, {[]int{0}, "0"}, {[]int{3, 17, 40, 41, 42, 43, 44}, "3,17,40-44"}, {[]int{0, 1}, "0,1"},
		{[]int{0, 1, 2, 5, 7, 8}, "0-2,5,7,8"},
	} {
		if got := IndexList(tt.numbers); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.numbers, got, tt.want)
		}
		if tt.numbers == nil {
			continue
		}
		if back, err := ParseIndexList(tt.want); err != nil || !slices.Equal(back, tt.numbers) {
			t.Errorf("%s: %v, %v, want %v", tt.want, back, err, tt.numbers)
		}
	}
}

func TestParseIndexList(t *testing.T) {
	if got, err := ParseIndexList("7,0-2,05"); err != nil || !slices.Equal(got, []int{7, 0, 1, 2, 5}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := ParseIndexList("0-262143"); err != nil || len(got) != maxIndexes {
		t.Errorf("%d numbers, %v", len(got), err)
	}
	for text, want := range map[string]string{
		"":                       "neither a number",
		"auto":                   "neither a number",
		"1,":                     "neither a number",
		"-1":                     "neither a number",
		"1-":                     "neither a number",
		"+1":                     "neither a number",
		"1 ,2":                   "neither a number",
		"1-2-3":                  "neither a number",
		"0x10":                   "neither a number",
		"0-9:2":                  "neither a number",
		"99999999999999999999":   "neither a number",
		"2147483648":             "neither a number",
		"5-3":                    "5-3: the range is empty",
		"0-262144":               "more than 262144 numbers",
		"0-200000,300000-400000": "more than 262144 numbers",
		"0-2147483647":           "more than 262144 numbers",
		"1,2,1":                  "1 is in it twice",
		"3-5,4":                  "4 is in it twice",
	} {
		if _, err := ParseIndexList(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
