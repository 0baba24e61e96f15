package ui

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFail(t *testing.T) {
	plain := errors.New("no room")
	hinted := WithHint(plain, "make some")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"plain", plain, "shardfs: error: no room\n"},
		{"with a hint", hinted, "shardfs: error: no room\nshardfs: hint: make some\n"},
		{"hint below", fmt.Errorf("a: %w", hinted), "shardfs: error: a: no room\nshardfs: hint: make some\n"},
		{"usage", Usagef("--x: %w", plain), "shardfs: error: --x: no room\n"},
		{"joined", errors.Join(plain, hinted),
			"shardfs: error: no room\nshardfs: error: no room\nshardfs: hint: make some\n"},
		{"reported", fmt.Errorf("a: %w", Reported(plain)), ""},
		{"one of two reported", errors.Join(Reported(plain), plain), "shardfs: error: no room\n"},
		{"no reader", fmt.Errorf("write: %w", unix.EPIPE), ""},
		{"control characters", errors.New("a\x1b[31m"), `shardfs: error: a\x1b[31m` + "\n"},
	} {
		var text strings.Builder
		(&UI{Err: &text}).Fail(tt.err)
		if text.String() != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, text.String(), tt.want)
		}
	}
}

func TestHint(t *testing.T) {
	var text strings.Builder
	u := &UI{Err: &text, Hint: func(err error) string { return "for " + err.Error() }, LogFormat: "json"}
	u.Fail(errors.New("x"))
	want := `{"level":"error","message":"x"}` + "\n" + `{"level":"hint","message":"for x"}` + "\n"
	if text.String() != want {
		t.Errorf("%q, want %q", text.String(), want)
	}
}

// A message about a name that is not UTF-8 keeps its bytes.
func TestMessageOfAnyBytes(t *testing.T) {
	var text strings.Builder
	(&UI{Err: &text, LogFormat: "json"}).Warn("lat\xe9.tar")
	want := `{"level":"warning","message":"lat\\xe9.tar","message_hex":"6c6174e92e746172"}` + "\n"
	if text.String() != want {
		t.Errorf("%q, want %q", text.String(), want)
	}
}

func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		u    *UI
		want string
	}{
		{&UI{}, "shardfs: warning: w\nshardfs: n\n"},
		{&UI{Quiet: true}, "shardfs: warning: w\n"},
		{&UI{Verbose: true}, "shardfs: warning: w\nshardfs: n\nshardfs: d\n"},
	} {
		var text strings.Builder
		tt.u.Err = &text
		tt.u.Warn("%s", "w")
		tt.u.Note("%s", "n")
		tt.u.Detail("%s", "d")
		if text.String() != tt.want {
			t.Errorf("%q, want %q", text.String(), tt.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Printable("a b\n"), "a b"},
		{Printable("\"a\"\té\xff"), `"a"\té\xff`},
		{Count(0, "sample"), "0 samples"},
		{Count(1, "sample"), "1 sample"},
		{Size(999), "999 bytes"},
		{Size(1_000), "1.0 kB"},
		{Size(1_250_000), "1.2 MB"},
		{Size(5_000_000_000_000_000), "5000.0 TB"},
		{*NewJSONText("é").Text, "é"},
		{*NewJSONText("\xff").Hex, "ff"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}
