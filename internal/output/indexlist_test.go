package output

import "testing"

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
	}
}
