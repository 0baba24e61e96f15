package remote

import (
	"net/http"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
)

func TestParseRange(t *testing.T) {
	for _, tt := range []struct {
		text               string
		first, last, total int64
		ok                 bool
	}{
		{"bytes 0-0/1", 0, 0, 1, true},
		{"bytes 5-9/10", 5, 9, 10, true},
		{"bytes 5-9/*", 5, 9, -1, true},
		{"bytes 5-10/10", 0, 0, 0, false},
		{"bytes 9-5/10", 0, 0, 0, false},
		{"bytes */10", 0, 0, 0, false},
		{"bytes 0--1/0", 0, 0, 0, false},
		{"bytes 0-+1/2", 0, 0, 0, false},
		{"bytes 0-1", 0, 0, 0, false},
		{"bytes=0-1/2", 0, 0, 0, false},
		{"items 0-1/2", 0, 0, 0, false},
		{"bytes 0-1/2, 2-3/4", 0, 0, 0, false},
		{"bytes 0-1/1152921504606846975", 0, 1, 1<<60 - 1, true},
		{"bytes 0-1/1152921504606846976", 0, 0, 0, false},
		{"bytes 0-1/9223372036854775808", 0, 0, 0, false},
		{"bytes  0-1/2", 0, 0, 0, false},
		{"", 0, 0, 0, false},
	} {
		first, last, total, ok := parseRange(tt.text)
		if ok != tt.ok || ok && (first != tt.first || last != tt.last || total != tt.total) {
			t.Errorf("%q: %d, %d, %d, %v", tt.text, first, last, total, ok)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-7": 0, "soon": 0, "99999999999": 0, "2000000000": 24 * time.Hour,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute, "Fri, 02 Jan 2026 03:03:05 GMT": 0,
		"Fri, 31 Dec 9999 23:59:59 GMT": 24 * time.Hour,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// A version is printable and short, whatever the server sends, and of other sizes and times another one.
func TestTag(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	tags := make(map[store.Version]bool)
	for _, v := range []version{
		{pin: Pin{Version: `"a"`, Strong: true}}, {pin: Pin{Version: `W/"a"`}}, {pin: Pin{Version: `W/"a"`}, size: 1},
		{pin: Pin{Version: `W/"a"`, ModTime: at}}, {pin: Pin{ModTime: at}}, {pin: Pin{ModTime: at}, size: 1},
		{pin: Pin{ModTime: at.Add(time.Second)}}, {pin: Pin{Version: "\xff\tä", Strong: true}},
		{pin: Pin{Version: store.Version(make([]byte, 1<<16)), Strong: true}},
	} {
		tag := v.tag()
		if tag == "" || len(tag) > 1100 || tags[tag] {
			t.Errorf("%q", tag)
		}
		for _, r := range tag {
			if r < ' ' || r > '~' {
				t.Errorf("%q is not printable", tag)
			}
		}
		tags[tag] = true
	}
	if tag := (&version{size: 7}).tag(); tag != "" {
		t.Errorf("nothing is known, but the version is %q", tag)
	}
}
