package faultserver

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// fault answers a request.
type fault func(x *exchange)

// faults returns all faults by their names.
func faults() map[string]fault {
	all := map[string]fault{"plain": (*exchange).plain}
	for _, group := range []map[string]fault{bodies(), ranges(), kinds(), versions(), errors(), redirects()} {
		for name, f := range group {
			all[name] = f
		}
	}
	return all
}

func (x *exchange) plain() {
	x.headers()
	x.send(x.bytes())
}

// bodies are faults of the connection and of the body.
func bodies() map[string]fault {
	return map[string]fault{
		"trunc":   func(x *exchange) { x.headers(); x.send(x.half()); x.cut(false) },
		"drip":    func(x *exchange) { x.headers(); x.send(x.bytes()[:1]); x.cut(false) }, // a byte a request
		"reset":   func(x *exchange) { x.headers(); x.send(x.half()); x.cut(true) },
		"close":   func(x *exchange) { c, _, _ := http.NewResponseController(x.w).Hijack(); c.Close() },
		"garbage": (*exchange).garbage,
		"stall":   func(x *exchange) { x.headers(); x.send(x.half()); x.flush(); x.hang() },
		"stallcut": func(x *exchange) { // silent for a while, then cut
			x.headers()
			x.send(x.half())
			x.flush()
			x.pause(300 * time.Millisecond)
			x.cut(false)
		},
		"hang":     func(x *exchange) { x.hang() },
		"trickle":  (*exchange).trickle,
		"late":     func(x *exchange) { x.pause(300 * time.Millisecond); x.plain() },
		"shortlen": (*exchange).shortLength,
		"shortchunk": func(x *exchange) { // a clean end of half the bytes
			x.headers()
			x.w.Header().Del("Content-Length")
			x.send(nil)
			x.flush()
			x.w.Write(x.half())
		},
		"chunked": func(x *exchange) {
			x.headers()
			x.w.Header().Del("Content-Length")
			x.send(nil)
			x.flush()
			x.w.Write(x.bytes())
		},
		"surplus": func(x *exchange) { // more than the range, without a length
			x.headers()
			x.w.Header().Del("Content-Length")
			x.send(nil)
			x.flush()
			x.w.Write(append(bytes.Clone(x.bytes()), "more"...))
		},
		"torn": func(x *exchange) { // it is overwritten in place while it is sent
			x.headers()
			x.send(x.half())
			x.flush()
			other := make([]byte, len(x.o.Data))
			x.s.Put(x.name, other)
			x.w.Write(other[:len(x.bytes())-len(x.half())])
		},
		"flip": func(x *exchange) { // other bytes than the object has
			x.headers()
			b := bytes.Clone(x.bytes())
			if len(b) > 0 {
				b[len(b)/2] ^= 1
			}
			x.send(b)
		},
	}
}

func (x *exchange) garbage() {
	c, _, _ := http.NewResponseController(x.w).Hijack()
	c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
	c.Close()
}

// trickle sends a byte now and then.
func (x *exchange) trickle() {
	x.headers()
	x.send(nil)
	for _, b := range x.bytes() {
		x.w.Write([]byte{b})
		x.flush()
		if x.pause(20 * time.Millisecond); x.r.Context().Err() != nil {
			return
		}
	}
}

func (x *exchange) shortLength() {
	x.headers()
	x.w.Header().Set("Content-Length", strconv.Itoa(len(x.half())))
	x.send(x.half())
}

func (x *exchange) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-x.r.Context().Done():
	}
}

// ranges are answers to another question.
func ranges() map[string]fault {
	other := func(text func(x *exchange) string) fault {
		return func(x *exchange) {
			x.headers()
			x.w.Header().Set("Content-Range", text(x))
			x.send(x.bytes())
		}
	}
	return map[string]fault{
		"ignorerange": func(x *exchange) { x.all(); x.plain() },
		"nolength": func(x *exchange) {
			x.all()
			x.headers()
			x.w.Header().Del("Content-Length")
			x.send(nil)
			x.flush()
			x.w.Write(x.bytes())
		},
		"wrongstart": func(x *exchange) { // bytes of another place, and it says so
			n := x.end - x.begin
			x.begin = max(0, x.begin-1)
			x.end = x.begin + n
			x.plain()
		},
		"wrongend": func(x *exchange) {
			x.end = max(x.begin+1, x.end-1)
			x.plain()
		},
		"wrongtotal": other(func(x *exchange) string {
			return fmt.Sprintf("bytes %d-%d/%d", x.begin, x.end-1, len(x.o.Data)+1)
		}),
		"hugetotal": other(func(x *exchange) string {
			return fmt.Sprintf("bytes %d-%d/%d", x.begin, x.end-1, int64(math.MaxInt64))
		}),
		"startotal": other(func(x *exchange) string { return fmt.Sprintf("bytes %d-%d/*", x.begin, x.end-1) }),
		"malformed": other(func(x *exchange) string { return fmt.Sprintf("bytes %d-%d", x.end, x.begin) }),
		"norange": func(x *exchange) {
			x.headers()
			x.w.Header().Del("Content-Range")
			x.send(x.bytes())
		},
	}
}

// all answers with the whole object.
func (x *exchange) all() { x.status, x.begin, x.end = http.StatusOK, 0, int64(len(x.o.Data)) }

// kinds are answers of another kind than a range.
func kinds() map[string]fault {
	return map[string]fault{
		"no416range": func(x *exchange) { // like S3
			x.headers()
			if len(x.o.Data) == 0 && x.r.Header.Get("Range") != "" {
				x.w.Header().Del("Content-Range")
				x.status = http.StatusRequestedRangeNotSatisfiable
			}
			x.send(x.bytes())
		},
		"empty206": func(x *exchange) { // like Azurite
			x.headers()
			if len(x.o.Data) == 0 && x.r.Header.Get("Range") != "" {
				x.w.Header().Set("Content-Range", "bytes 0--1/0")
				x.status = http.StatusPartialContent
			}
			x.send(x.bytes())
		},
		"416": func(x *exchange) {
			x.status, x.begin, x.end = http.StatusRequestedRangeNotSatisfiable, 0, 0
			x.headers()
			x.w.Header().Del("Content-Range")
			x.send(nil)
		},
		"gzip": func(x *exchange) {
			x.headers()
			x.w.Header().Set("Content-Encoding", "gzip")
			x.w.Header().Del("Content-Length")
			x.w.WriteHeader(x.status)
			z := gzip.NewWriter(x.w)
			z.Write(x.bytes())
			z.Close()
		},
		"html200": func(x *exchange) {
			x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(x.w, "<html>Please log in to the network</html>")
		},
		"html206": func(x *exchange) {
			x.o.ETag, x.o.ModTime = "", time.Time{}
			x.headers()
			x.w.Header().Set("Content-Type", "text/html")
			x.send([]byte(strings.Repeat("<", int(x.end-x.begin))))
		},
	}
}

// versions are answers of another version than the request is for.
func versions() map[string]fault {
	return map[string]fault{
		"newetag":     func(x *exchange) { x.o.ETag = fmt.Sprintf(`"new-%d"`, x.number); x.noPin(); x.plain() },
		"noetag":      func(x *exchange) { x.o.ETag = ""; x.noPin(); x.plain() },
		"weaketag":    func(x *exchange) { x.o.ETag = "W/" + x.o.ETag; x.noPin(); x.plain() },
		"nothing":     func(x *exchange) { x.o.ETag, x.o.ModTime = "", time.Time{}; x.noPin(); x.plain() },
		"ignorematch": func(x *exchange) { x.noPin(); x.plain() },
		"412":         func(x *exchange) { x.status, x.begin, x.end = http.StatusPreconditionFailed, 0, 0; x.plain() },
	}
}

// noPin answers as if there were no condition.
func (x *exchange) noPin() {
	x.r.Header.Del("If-Match")
	x.begin, x.end, x.status = x.wanted()
}

// errors are answers with errors. A number that is a status is also a fault: 400, 403, ...
func errors() map[string]fault {
	all := map[string]fault{
		"slowdown": func(x *exchange) {
			x.w.Header().Set("Retry-After", "1")
			http.Error(x.w, "SlowDown", http.StatusServiceUnavailable)
		},
		"retryafter": func(x *exchange) {
			x.w.Header().Set("Retry-After", "3600")
			http.Error(x.w, "later", http.StatusTooManyRequests)
		},
		"retrynever": func(x *exchange) {
			x.w.Header().Set("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT")
			http.Error(x.w, "never", http.StatusServiceUnavailable)
		},
	}
	for _, status := range []int{400, 401, 403, 404, 408, 410, 429, 500, 501, 502, 503, 504} {
		all[strconv.Itoa(status)] = func(x *exchange) { http.Error(x.w, "Code"+strconv.Itoa(status), status) }
	}
	return all
}

// redirects are answers that send the client elsewhere.
func redirects() map[string]fault {
	to := func(where func(x *exchange) string) fault {
		return func(x *exchange) {
			x.w.Header().Set("Location", where(x))
			x.w.WriteHeader(http.StatusFound)
		}
	}
	all := map[string]fault{
		"elsewhere":  to(func(x *exchange) string { return x.s.Moved + "/" + x.name }),
		"loop":       to(func(x *exchange) string { return x.r.URL.Path }),
		"linklocal":  to(func(x *exchange) string { return "http://169.254.169.254/latest/meta-data/" }),
		"linklocal6": to(func(x *exchange) string { return "http://[fe80::1]/" }),
		"tofile":     to(func(x *exchange) string { return "file:///etc/passwd" }),
		"nowhere":    to(func(x *exchange) string { return "" }),
	}
	for n := range 7 { // hopN is followed by N redirects in all
		all["hop"+strconv.Itoa(n)] = to(func(x *exchange) string {
			if n <= 1 {
				return "/plain/" + x.name
			}
			return fmt.Sprintf("/hop%d/%s", n-1, x.name)
		})
	}
	return all
}
