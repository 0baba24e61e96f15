package gallery

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// What browsers allow a page is exactly this.
func TestPolicies(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt", "b.jpg", "c.html"))
	const page = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	const data = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
	const media = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; " +
		"form-action 'none'; frame-ancestors 'none'; sandbox"
	for path, policy := range map[string]string{
		"": page, "index.html": page, "app.js": page, "style.css": page,
		"api/set": data, "api/keys": data, "text/0/0": data, "hex/0/0": data, "thumb/1/0": data, "nothing": data,
		"raw/0/0": media, "raw/1/0": media, "raw/2/0": media, "raw/9/0": data,
	} {
		_, h, _ := s.do(path, nil)
		for name, want := range map[string]string{
			"Content-Security-Policy":      policy,
			"X-Content-Type-Options":       "nosniff",
			"X-Frame-Options":              "DENY",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Opener-Policy":   "same-origin",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Access-Control-Allow-Origin":  "",
			"Set-Cookie":                   "",
		} {
			if got := strings.Join(h.Values(name), " | "); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
}

// A name that an attacker has made point to this machine is not ours, even if a browser takes the request for one of the
// attacker's own page, and knows the token.
func TestRebinding(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt"))
	for _, path := range []string{"", "api/set", "raw/0/0"} {
		status, h, body := s.do(path, func(r *http.Request) {
			r.Host = "evil.example:" + r.URL.Port()
			r.Header.Set("Origin", "http://"+r.Host)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		})
		if status != http.StatusMisdirectedRequest || strings.Contains(body, testToken) || h.Get("Location") != "" {
			t.Errorf("%s: %d %v %s", path, status, h, body)
		}
	}
}

// Only GET and HEAD are answered, HEAD without a body.
func TestMethods(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt"))
	for _, method := range []string{
		"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get",
	} {
		for _, path := range []string{"", "api/set", "raw/0/0"} {
			status, h, body := s.do(path, func(r *http.Request) { r.Method = method })
			if status != http.StatusMethodNotAllowed || h.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d %s", method, path, status, body)
			}
		}
	}
	for _, path := range []string{"", "api/set", "api/keys", "raw/0/0", "text/0/0", "hex/0/0"} {
		status, h, body := s.do(path, func(r *http.Request) { r.Method = "HEAD" })
		if status != http.StatusOK || body != "" || h.Get("Content-Type") == "" {
			t.Errorf("HEAD %s: %d %v %q", path, status, h, body)
		}
	}
}

// A parameter is a number, a filter or its number, and never a path or markup, whatever it has in it.
func TestHostileParameters(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt", "b.npy"))
	for _, value := range []string{
		"..", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/", "/etc/passwd", "%00", "%ff",
		"%0d%0aSet-Cookie:+a",
		"-1", "1e9", "99999999999999999999", "<script>alert(1)</script>", "a%00b", strings.Repeat("(", 5000),
	} {
		for _, path := range []string{
			"api/set?x=", "api/samples?from=", "api/samples?count=", "api/samples?filter=", "api/sample/",
			"api/keys?filter=", "api/facets?filter=", "api/filter?q=", "api/statistics?x=",
			"raw/0/0?before=", "raw/0/0?download=", "raw/", "raw/0/",
			"thumb/0/0?side=", "hex/0/0?from=", "hex/0/0?before=", "text/0/0?from=", "text/0/0?before=",
			"array/1/0?before=", "array/", "",
		} {
			status, h, body := s.do("", func(r *http.Request) {
				r.URL.Opaque = "//" + r.URL.Host + "/" + testToken + "/" + path + value // as it is
			})
			switch kind := h.Get("Content-Type"); {
			case status >= 500, status < 200:
				t.Errorf("%s%.30s: %d %s", path, value, status, body)
			case kind != "application/json" && kind != "application/octet-stream" &&
				!strings.HasPrefix(kind, "text/plain"):
				t.Errorf("%s%.30s: %d %s", path, value, status, kind)
			case strings.Contains(body, "root:"), h.Get("Set-Cookie") != "":
				t.Errorf("%s%.30s: %v %s", path, value, h, body)
			}
		}
	}
}

// A request of more headers than a browser sends ends with an error, and the server goes on.
func TestLargeHeaders(t *testing.T) {
	g := serve(t, shardtest.Write(t, "a.txt")).g
	l, err := net.Listen("tcp", "127.0.0.1:0")
	shardtest.Check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, g) }()
	defer func() {
		cancel()
		shardtest.Check(t, <-ended)
	}()
	many := strings.Repeat("X-Name: a value\r\n", 1<<20/len("X-Name: a value\r\n"))
	for head, want := range map[string]int{
		"": 200, "X-Long: " + strings.Repeat("x", 1<<20) + "\r\n": 431, many: 431, "X Name: a\r\n": 400,
		"X-Zero: a\x00b\r\n": 400,
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		shardtest.Check(t, err)
		// What is refused is not read to its end: writing it may fail.
		go fmt.Fprintf(conn, "GET /%s/api/set HTTP/1.1\r\nHost: localhost\r\n%s\r\n", testToken, head)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || answer.StatusCode != want {
			t.Errorf("%.20q of %d bytes: %v %v, want %d", head, len(head), answer, err, want)
		}
		if err == nil {
			body, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
			if want != 200 && strings.Contains(string(body), testToken) {
				t.Errorf("%.20q: the token is told: %s", head, body)
			}
		}
		conn.Close()
	}
}
