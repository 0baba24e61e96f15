package store

import (
	"errors"
	"os"
	"testing"
)

func TestPath(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		err        error
	}{
		{"a.tar", "a.tar", nil},
		{"/d/a.tar", "/d/a.tar", nil},
		{"file:///d/a.tar", "/d/a.tar", nil},
		{"file:///d/a%20b?c", "/d/a%20b?c", nil}, // a path, not an encoded URL
		{"d/x://y", "d/x://y", nil},              // a slash before it: a path
		{"./s3://b", "./s3://b", nil},
		{"a:b", "a:b", nil},
		{"", "", nil},
		{"file://localhost/d/a.tar", "/d/a.tar", nil},
		{"file://host/a.tar", "", ErrName},
		{"file://a.tar", "", ErrName},
		{"file://", "", ErrName},
		{"s3://bucket/a.tar", "", ErrScheme},
		{"https://host/a.tar", "", ErrScheme},
		{"://", "", ErrScheme},
	} {
		if got, err := Path(tt.name); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Path(%q) = %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"a.tar", "a.tar"},
		{"d/a?b@c.tar", "d/a?b@c.tar"},
		{"x/y://u:p@h", "x/y://u:p@h"}, // a path
		{"file:///d/a.tar", "file:///d/a.tar"},
		{"s3://bucket/d/a.tar", "s3://bucket/d/a.tar"},
		{"https://host", "https://host"},
		{"https://host/", "https://host/"},
		{"https://host/a.tar?X-Amz-Signature=secret", "https://host/a.tar"},
		{"https://host?secret", "https://host"},
		{"https://user:secret@host/a.tar", "https://host/a.tar"},
		{"https://user:sec@ret@host:8080/a@b.tar?x=y?z", "https://host:8080/a@b.tar"},
		{"https://secret@host", "https://host"},
		{"https://user:sec/ret@host/a.tar", "https://host/a.tar"},
		{"https://user:sec?ret@host/a.tar", "https://host/a.tar"},
		{"https://user:sec#ret@host:80/a.tar", "https://host:80/a.tar"},
		{"https://user:secret:1/a.tar", "https://user/a.tar"},
		{"https://user:secret/a.tar", "https://user/a.tar"}, // the @ is missing
		{"https://[::1]:8080/a@b.tar", "https://[::1]:8080/a@b.tar"},
		{"https://[::1]/a.tar", "https://[::1]/a.tar"},
		{"https://host:8080/a.tar#secret", "https://host:8080/a.tar"},
		{"s3://key:secret@bucket/d/a?b#c.tar", "s3://bucket/d/a?b#c.tar"}, // keys are literal
		{"gs://bucket/a?b", "gs://bucket/a?b"},
		{"az://container/a#b.tar?sv=1&sig=secret", "az://container/a#b.tar"},
		{"hf://datasets/org/name@main/a.tar", "hf://datasets/org/name@main/a.tar"},
		{"hf://datasets/org/name/a.tar?token=secret", "hf://datasets/org/name/a.tar"},
		{"hf://datasets/org/name/a.tar?download=true&access_token=secret", "hf://datasets/org/name/a.tar"},
		{"hf://datasets/org/name/a?b=c.tar", "hf://datasets/org/name/a?b=c.tar"},
		{"ais://@cluster#space/bucket/a@b.tar", "ais://@cluster#space/bucket/a@b.tar"},
		{"unknown://token@x/a?secret", "unknown://x/a"},
		{"pipe:curl https://user:secret@host/a?b", "pipe:curl https://host/a"},
	} {
		if got := Redact(tt.name); got != tt.want {
			t.Errorf("Redact(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAbsolute(t *testing.T) {
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, want string }{
		{"a.tar", wd + "/a.tar"},
		{"../link/../a.tar", wd + "/../link/../a.tar"}, // a .. after a link must stay
		{"/d/a.tar", "/d/a.tar"},
		{"file:///d/a.tar", "/d/a.tar"},
		{"s3://bucket/a.tar", "s3://bucket/a.tar"},
		{"", ""},
	} {
		if got := Absolute(tt.name); got != tt.want {
			t.Errorf("Absolute(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestBeside(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"a?b.tar", "a?b.tar.sfidx"},
		{"file:///d/a#b.tar", "file:///d/a#b.tar.sfidx"},
		{"https://host/a.tar", "https://host/a.tar.sfidx"},
		{"https://u:p@host/a.tar?x=y#z", "https://u:p@host/a.tar.sfidx?x=y#z"},
		{"az://account/container/a.tar?sv=1", "az://account/container/a.tar.sfidx?sv=1"},
		{"s3://bucket/a?b.tar", "s3://bucket/a?b.tar.sfidx"},
	} {
		if got := Beside(tt.name, ".sfidx"); got != tt.want {
			t.Errorf("Beside(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRedactText(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"no URL: ?x", "no URL: ?x"},
		{"get \"http://u:secret@h/a?secret\": refused", "get \"http://h/a\": refused"},
		{"http://u:secret@h/a.tar?secret: no, s3://b/k?x.", "http://h/a.tar: no, s3://b/k?x."},
		{"--x=https://secret@h/a", "--x=https://h/a"},
		{"known are paths, file://, az:// (or http://)", "known are paths, file://, az:// (or http://)"},
		{"did you mean http://? Or http://h/a?", "did you mean http://? Or http://h/a?"},
		{"want s3://BUCKET/KEY", "want s3://BUCKET/KEY"},
		{"d/x://u:p@h?q and ://?x", "d/x://u:p@h?q and ://?x"}, // paths
		{"http://h/?secret://secret", "http://h/"},
	} {
		if got := RedactText(tt.text); got != tt.want {
			t.Errorf("RedactText(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestMisspelled(t *testing.T) {
	for path, want := range map[string]string{
		"s3:/b/k": "s3://b/k", "s3//b/k": "s3://b/k", "s3:b/k": "s3://b/k", "S3:/b/k": "s3://b/k",
		"http:h/x": "http://h/x", "https//h/x": "https://h/x", "https:///h/x": "https://h/x", "az:/c/b": "az://c/b",
		"": "", "a.tar": "", "s3/b/k": "", "http": "", "file:/a": "", "c:/a": "",
		"//h/a": "", ":a": "", "./s3:/b": "", "x3:/b": "",
	} {
		if got, ok := Misspelled(path); got != want || ok != (want != "") {
			t.Errorf("Misspelled(%q) = %q, %v, want %q", path, got, ok, want)
		}
	}
}
