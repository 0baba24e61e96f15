package web

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// environment returns a Getenv for some variables.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestLocate(t *testing.T) {
	for _, tt := range []struct{ name, url, authorization string }{
		{"http://h/a.tar", "http://h/a.tar", ""},
		{"HTTPS://H:81/a//b/../c.tar", "https://H:81/a//b/../c.tar", ""},
		{"http://h/a%2Fb%20c.tar?X-Signature=a%2Bb&c", "http://h/a%2Fb%20c.tar?X-Signature=a%2Bb&c", ""},
		{"http://h/a b/é.tar", "http://h/a%20b/%C3%A9.tar", ""},
		{"http://h/a*[1].tar", "http://h/a*[1].tar", ""},
		{"http://u:p%40%3A@h/a.tar", "http://h/a.tar", "Basic dTpwQDo="},
		{"http://u@h/a.tar", "http://h/a.tar", "Basic dTo="},
		{"http://[::1]:80/a.tar", "http://[::1]:80/a.tar", ""},
	} {
		p, err := Service{}.Locate(t.Context(), tt.name)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		r := &http.Request{URL: p.URL, Header: make(http.Header)}
		if p.Sign != nil {
			err = p.Sign(t.Context(), r)
		}
		if got := r.Header.Get("Authorization"); p.URL.String() != tt.url || got != tt.authorization || err != nil {
			t.Errorf("%s: %s, %q, %v", tt.name, p.URL, got, err)
		}
	}
}

// What is wrong with a name is told without the name.
func TestLocateRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"http://user:secret@/a.tar":      "malformed: the URL names no host",
		"http:///a.tar":                  "malformed: the URL names no host",
		"http://user:secret@h:port/a":    "malformed: a port",
		"http://user:secret@h:99999/a":   "malformed: ports are numbers",
		"http://h:0/a":                   "malformed: ports are numbers",
		"http://user:sec%ret@h/a":        "malformed: a port",
		"http://h/secret%zz":             "malformed: a port",
		"http://h/a#secret":              "malformed: # begins a part of a URL that no server gets",
		"http://h/a#":                    "malformed: # begins a part of a URL that no server gets",
		"http://user:secret@h/\x00a.tar": "malformed: a port",
		"ftp://h/secret":                 "unknown kind of URL: ftp://",
	} {
		_, err := Service{}.Locate(t.Context(), name)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}

func TestNetrc(t *testing.T) {
	const text = `# a comment: machine h login no password no
machine other login o password op
machine h
	login u password p#1 account x
macdef init
machine h login macro password m

machine h login v password "a \"b\"\t\\c"
machine only password alone
default login d password dp
machine late login l password lp`
	for _, tt := range []struct{ host, user, want, password string }{
		{"h", "", "u", "p#1"},
		{"H", "u", "u", "p#1"},
		{"h", "v", "v", "a \"b\"\t\\c"},
		{"h", "w", "", ""},
		{"only", "", "", "alone"},
		{"late", "", "d", "dp"}, // as curl and ftp: the first that fits
		{"none", "", "d", "dp"},
		{"none", "d", "d", "dp"},
	} {
		l, ok := findLogin(text, tt.host, tt.user)
		if l.user != tt.want || l.password != tt.password || ok != (tt.want+tt.password != "") {
			t.Errorf("%s, %s: %+v, %v", tt.host, tt.user, l, ok)
		}
	}
	for _, text := range []string{"", "machine", "machine h", "machine h login", `machine h password "`, "macdef",
		"default"} {
		if l, ok := findLogin(text, "h", ""); ok {
			t.Errorf("%q: %+v", text, l)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine h login u password p")
	f.Add("macdef x\n\ndefault login \"u\\\"")
	f.Fuzz(func(t *testing.T, text string) {
		if l, ok := findLogin(text, "h", "u"); ok && l.user != "u" {
			t.Errorf("the login of %q", l.user)
		}
	})
}

// A file of credentials that cannot be read is an error if the user has named it or it is there, and does not count if
// there is none.
func TestNetrcFiles(t *testing.T) {
	home := t.TempDir()
	s := Service{environment("HOME", home)}
	if p, err := s.Locate(t.Context(), "http://h/a"); err != nil || p.Sign != nil {
		t.Errorf("without a file: %v", err)
	}
	e := remote.NewEngine(remote.Options{})
	defer e.Close()
	open := func(s Service) error {
		_, err := remote.New(e, s).Open(t.Context(), "http://h/a")
		return err
	}
	err := open(Service{environment("HOME", home, "NETRC", filepath.Join(home, "other"))})
	if !errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) ||
		!strings.HasPrefix(err.Error(), "h: credentials: ") {
		t.Errorf("without the file that NETRC names: %v", err)
	}
	if err := os.Mkdir(filepath.Join(home, ".netrc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := open(s); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a directory is read as a file of credentials: %v", err)
	}
	p, err := s.Locate(t.Context(), "http://u:p@h/a")
	if err != nil || p.Sign(t.Context(), &http.Request{Header: http.Header{}}) != nil {
		t.Errorf("a file that is not needed: %v", err)
	}
}

// nginx lets in who has the password, by whichever way, and refuses another version.
func TestNginx(t *testing.T) {
	server := servers.Nginx(t)
	server.Put(t, "private/a b.tar", []byte("0123456789"))
	netrc := filepath.Join(t.TempDir(), "netrc")
	entry := "machine 127.0.0.1 login " + servers.User + " password " + servers.Password
	if err := os.WriteFile(netrc, []byte(entry), 0o600); err != nil {
		t.Fatal(err)
	}
	withNetrc := Service{environment("NETRC", netrc)}
	address := strings.TrimPrefix(server.URL, "http://")
	var pinned http.Header
	ask := func(s Service, name string) (int, string) {
		t.Helper()
		p, err := s.Locate(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		r := (&http.Request{URL: p.URL, Header: make(http.Header)}).WithContext(t.Context())
		for name, values := range pinned {
			r.Header[name] = values
		}
		r.Header.Set("Range", "bytes=2-4")
		if p.Sign != nil {
			if err := p.Sign(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		if pinned == nil && answer.StatusCode == http.StatusPartialContent {
			pin := p.Pin(answer.Header)
			if pinned = pin.Header; !pin.Strong || pin.Version == store.Version("") || pin.ModTime.IsZero() {
				t.Errorf("pin: %+v", pin)
			}
		}
		return answer.StatusCode, string(body)
	}
	if status, _ := ask(Service{}, server.URL+"/private/a%20b.tar"); status != http.StatusUnauthorized {
		t.Errorf("without credentials: %d", status)
	}
	for _, tt := range []struct{ user, query, hint string }{
		{"", "", "wants a user and password"}, {"a:b@", "", "is not accepted"}, {"a:b@", "?c", "is not accepted"},
		{"", "?X-Signature=c", "it may have expired"},
	} {
		p, err := Service{}.Locate(t.Context(), "http://"+tt.user+address+"/private/a.tar"+tt.query)
		if err != nil {
			t.Fatal(err)
		}
		if f := p.Fault(http.StatusUnauthorized, nil, nil); !strings.Contains(f.Hint, tt.hint) {
			t.Errorf("%s%s: hint %q", tt.user, tt.query, f.Hint)
		}
	}
	for _, tt := range []struct {
		Service
		name string
	}{
		{Service{}, "http://" + servers.User + ":se%2Fcret@" + address + "/private/a b.tar?any=thing"},
		{withNetrc, server.URL + "/private/a%20b.tar"},
		{withNetrc, "http://" + servers.User + "@" + address + "/private/a%20b.tar"},
	} {
		if status, body := ask(tt.Service, tt.name); status != http.StatusPartialContent || body != "234" {
			t.Errorf("%s: %d %q", store.Redact(tt.name), status, body)
		}
	}
	server.Put(t, "private/a b.tar", []byte("abcdefghij"))
	if status, _ := ask(withNetrc, server.URL+"/private/a%20b.tar"); status != http.StatusPreconditionFailed {
		t.Errorf("another version: %d", status)
	}
}

// Hints are shown as they are: they have nothing in them that looks like a URL with a password.
func TestHints(t *testing.T) {
	for _, sent := range []bool{false, true} {
		for _, query := range []bool{false, true} {
			f := fault(http.StatusUnauthorized, sent, query)
			if f.Hint == "" || store.RedactText(f.Hint) != f.Hint {
				t.Errorf("sent %v, query %v: shown as %q", sent, query, store.RedactText(f.Hint))
			}
		}
	}
}

// A server that answers one request at a time, and others with an error, is read all the same, and nothing twice.
func TestOneConnection(t *testing.T) {
	s := servers.Nginx(t)
	data := storetest.Noise(40<<20, 1)
	s.Put(t, "one/a.tar", data)
	e := remote.NewEngine(remote.Options{})
	defer e.Close()
	o, err := remote.New(e, Service{}).Open(t.Context(), s.URL+"/one/a.tar")
	storetest.Check(t, err)
	defer o.Close()
	got, err := io.ReadAll(io.NewSectionReader(store.At(t.Context(), o), 0, o.Size()))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if all := e.Stats(); all.Retries == 0 || all.Bytes != int64(len(data)) {
		t.Errorf("%+v", all)
	}
}
