package output

import (
	"errors"
	"testing"

	"github.com/shardfs/shardfs/internal/ui"
)

func TestRekey(t *testing.T) {
	for _, tt := range []struct{ format, key, want string }{
		{"%d", "a", "12"},
		{"%09d", "a", "000000012"},
		{"%01d", "a", "12"},
		{"new/%04d", "a", "new/0012"},
		{"{key}", "d/a", "d/a"},
		{"x-{key}", "%d", "x-%d"}, // a key is not a format
		{"%02d/{key}-{key}-%d", "a", "12/a-a-12"},
		{"100%-%d", "a", "100%-12"},
		{"%5d%d", "a", "%5d12"},
	} {
		rekey, err := ParseRekey(tt.format)
		if err != nil {
			t.Errorf("%s: %v", tt.format, err)
			continue
		}
		if got := rekey(tt.key, 12); got != tt.want {
			t.Errorf("%s: %s becomes %s, want %s", tt.format, tt.key, got, tt.want)
		}
	}
	for _, format := range []string{"x", "%", "%5d", "%0d", "%s", "{KEY}", "key"} {
		if _, err := ParseRekey(format); !errors.As(err, new(*ui.UsageError)) {
			t.Errorf("%s: %v, want a mistake in the command line", format, err)
		}
	}
}
