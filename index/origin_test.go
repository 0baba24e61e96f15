package index

import (
	"encoding/json"
	"fmt"
	"testing"
)

// The origin of a local file has the same JSON and the same text as in the first releases.
func TestOrigin(t *testing.T) {
	for _, tt := range []struct {
		o          Origin
		kept, text string
	}{
		{
			Origin{Size: 7, Version: "file:-5:18446744073709551615", Probe: "123"},
			`{"size":7,"mtime":-5,"inode":18446744073709551615,"probe":"123"}`,
			"{Size:7 ModTime:-5 Inode:18446744073709551615 Probe:123}",
		},
		{Origin{}, `{"size":0,"mtime":0,"inode":0}`, "{Size:0 ModTime:0 Inode:0 Probe:}"},
		{
			Origin{Size: 7, Version: `"etag-3"`},
			`{"size":7,"mtime":0,"inode":0,"version":"\"etag-3\""}`,
			`{Size:7 Version:"etag-3" Probe:}`,
		},
		{
			Origin{Version: "file:1:2:3"},
			`{"size":0,"mtime":0,"inode":0,"version":"file:1:2:3"}`,
			"{Size:0 Version:file:1:2:3 Probe:}",
		},
	} {
		b, err := json.Marshal(tt.o)
		if err != nil || string(b) != tt.kept {
			t.Errorf("%#v is kept as %s, %v, want %s", tt.o, b, err, tt.kept)
		}
		var back Origin
		if err := json.Unmarshal(b, &back); err != nil || back != tt.o {
			t.Errorf("%s is read as %#v, %v", b, back, err)
		}
		if got := fmt.Sprintf("%+v", tt.o); got != tt.text {
			t.Errorf("%#v is shown as %s, want %s", tt.o, got, tt.text)
		}
	}
}
