package remote

import (
	"net/http"
	"reflect"
	"testing"
	"time"
)

func TestETagPin(t *testing.T) {
	const date = "Wed, 21 Oct 2015 07:28:00 GMT"
	when := time.Date(2015, 10, 21, 7, 28, 0, 0, time.UTC)
	for _, tt := range []struct {
		tag, date string
		want      Pin
	}{
		{`"a-1"`, date, Pin{Version: `"a-1"`, Strong: true, ModTime: when, Header: http.Header{"If-Match": {`"a-1"`}}}},
		{`"a"`, "", Pin{Version: `"a"`, Strong: true, Header: http.Header{"If-Match": {`"a"`}}}},
		{`a`, "", Pin{Version: `a`, Strong: true, Header: http.Header{"If-Match": {`a`}}}}, // Swift
		{`W/"a"`, date, Pin{ModTime: when}},
		{`W/"a"`, "", Pin{Version: `W/"a"`}},
		{``, date, Pin{ModTime: when}},
		{`""`, date, Pin{ModTime: when}},
		{``, "yesterday", Pin{}},
		{``, "", Pin{}},
	} {
		header := make(http.Header)
		header.Set("ETag", tt.tag)
		header.Set("Last-Modified", tt.date)
		if got := ETagPin(header); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q, %q: %+v, want %+v", tt.tag, tt.date, got, tt.want)
		}
	}
}
