package output

import "testing"

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64
	}{
		{"1", 1}, {"700", 700}, {"3k", 3000}, {"500M", 500e6}, {"2G", 2e9}, {"1Ki", 1024}, {"3Mi", 3 << 20},
		{"999999999Gi", 999999999 << 30},
	} {
		if got, err := ParseSize(tt.text); err != nil || got != tt.want {
			t.Errorf("%s: %d, %v, want %d", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"0", "0k", "-1", "k", "1.5M", "1kB", "1m", "1K", "1ki", "1 M", "1000000000", "1T"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%s: %d, want an error", text, got)
		}
	}
}
