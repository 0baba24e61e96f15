package remote

import "testing"

func TestParseEndpoint(t *testing.T) {
	for text, want := range map[string]bool{
		"http://h": true, "https://h:1/a%2Fb/": true, "HTTPS://h": true, "http://[::1]:80": true,
		"": false, "h": false, "h:80": false, "http://": false, "//h": false, "ftp://h": false,
		"http://u@h": false, "http://u:p@h": false, "http://h?a=b": false, "http://h:x": false, "http://h\n": false,
	} {
		if u, ok := ParseEndpoint(text); ok != want {
			t.Errorf("%q: %v, %v", text, u, ok)
		}
	}
}

func TestEscapePath(t *testing.T) {
	for path, want := range map[string]string{
		"/a-Z_0.9~/": "/a-Z_0.9~/", "a b+c%20": "a%20b%2Bc%2520", "//../.": "//../.", "?#&=$": "%3F%23%26%3D%24",
		"\xff\x00é": "%FF%00%C3%A9",
	} {
		if got := EscapePath(path); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}
