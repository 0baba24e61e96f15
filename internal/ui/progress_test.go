package ui

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// log is what a UI writes, for tests that read it meanwhile.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The text of progress: what is known is in it, and nothing else.
func TestProgressText(t *testing.T) {
	for _, tt := range []struct {
		w    Work
		want string
	}{
		{Work{}, "run: 0 bytes, 0 bytes a second"},
		{Work{Bytes: 3e6, Size: 9e6}, "run: 3.0 MB of 9.0 MB, 1.5 MB a second, 4s left"},
		{Work{Samples: 10, Bytes: 2e3}, "run: 10 samples, 2.0 kB, 5.0 a second"},
		{Work{Samples: 10, Total: 30, Bytes: 2e3}, "run: 10 of 30 samples, 2.0 kB, 5.0 a second, 4s left"},
		{Work{Samples: 10, Total: 30, About: true}, "run: 10 of about 30 samples, 0 bytes, 5.0 a second, 4s left"},
		{Work{Samples: 30, Total: 30, Failed: 2}, "run: 30 of 30 samples, 2 failed, 0 bytes, 15.0 a second, 0s left"},
		{Work{Samples: 40, Total: 30}, "run: 40 of 30 samples, 0 bytes, 20.0 a second, 0s left"},
	} {
		p := &Progress{what: "run", begun: time.Now().Add(-2 * time.Second)}
		p.From(Work{})
		p.Set(tt.w)
		if got := p.String(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.w, got, tt.want)
		}
	}
	p := &Progress{what: "reading", begun: time.Now().Add(-2 * time.Second)}
	p.From(Work{})
	p.Set(Work{Bytes: 3e6, Size: 9e6})
	p.Write(make([]byte, 1e6))
	if got, want := p.String(), "reading: 4.0 MB of 9.0 MB, 2.0 MB a second, 3s left"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p = &Progress{what: "run", begun: time.Now().Add(-2 * time.Second)}
	p.From(Work{Samples: 100, Total: 120})
	p.Set(Work{Samples: 110, Total: 120})
	if got := p.String(); !strings.HasSuffix(got, "5.0 a second, 2s left") {
		t.Errorf("a continued run: %q", got)
	}
}

// On a narrow terminal the name of a shard is shortened, and not the numbers.
func TestProgressWithin(t *testing.T) {
	const numbers = ": 3.0 MB of 9.0 MB, 1.5 MB a second, 4s left"
	for _, tt := range []struct {
		what    string
		columns int
		want    string
	}{
		{"indexing https://h/dir/train-0007.tar", 200, "indexing https://h/dir/train-0007.tar"},
		{"indexing https://h/dir/train-0007.tar", 37 + len(numbers), "indexing https://h/dir/train-0007.tar"},
		{"indexing https://h/dir/train-0007.tar", 36 + len(numbers), "indexing …tps://h/dir/train-0007.tar"},
		{"indexing https://h/dir/train-0007.tar", 71, "indexing …ir/train-0007.tar"},
		{"indexing https://h/dir/train-0007.tar", 20, "indexing …in-0007.tar"},
		{"indexing häuser/äöü-0007.tar", 66, "indexing …äöü-0007.tar"},
		{"indexing a b c", 10, "indexing a b c"},
		{"run", 10, "run"},
	} {
		p := &Progress{what: tt.what, begun: time.Now().Add(-2 * time.Second)}
		p.From(Work{})
		p.Set(Work{Bytes: 3e6, Size: 9e6})
		if got := p.within(tt.columns); got != tt.want+numbers {
			t.Errorf("%s in %d columns: %q, want %q", tt.what, tt.columns, got, tt.want+numbers)
		}
	}
}

// In logs there is a message at intervals, in JSON an object; with -q or never there is nothing.
func TestProgressInLogs(t *testing.T) {
	for _, tt := range []struct {
		name string
		u    *UI
		want string // regular expression of a line; "" means no progress
	}{
		{"auto", &UI{}, `^shardfs: run: 1 of 4 samples, 7 bytes, `},
		{"quiet", &UI{Quiet: true}, ""},
		{"never", &UI{Progress: ProgressNever}, ""},
		{"json", &UI{Progress: ProgressJSON, Quiet: true}, `^\{"level":"progress","what":"run","samples":1,"total":4,`},
		{"log format", &UI{LogFormat: "json"}, `^\{"level":"progress","what":"run",`},
		{"log format, always", &UI{LogFormat: "json", Progress: ProgressAlways}, `^\{"level":"progress","what":"run",`},
	} {
		text := new(log)
		tt.u.Err, tt.u.hurry = text, 1000
		p := tt.u.StartProgress("run")
		if p == nil != (tt.want == "") {
			t.Errorf("%s: shown: %t", tt.name, p != nil)
		}
		p.Set(Work{Samples: 1, Total: 4, Bytes: 7})
		if tt.want != "" {
			testtime.Eventually(t, tt.name, func() bool {
				first, _, whole := strings.Cut(text.String(), "\n")
				return whole && regexp.MustCompile(tt.want).MatchString(first)
			})
		}
		p.Done()
		for line := range strings.Lines(text.String()) {
			if object := map[string]any{}; line[0] == '{' && json.Unmarshal([]byte(line), &object) != nil {
				t.Errorf("%s: %s is not JSON", tt.name, line)
			}
		}
	}
}

// A message, or what a command writes, never shares a line with the progress.
func TestProgressClears(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	text := new(log)
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		buf := make([]byte, 4096)
		for {
			n, err := in.Read(buf)
			text.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	u := &UI{Err: out, Progress: ProgressAlways, hurry: 1000}
	outer := u.StartProgress("run")
	p := u.StartProgress("indexing x.tar") // covers the other
	drawn := func(what string) {
		t.Helper()
		testtime.Eventually(t, what, func() bool { return strings.Contains(text.String(), what) })
	}
	drawn("shardfs: indexing x.tar: 0 bytes")
	u.Warn("careful")
	drawn("\r\x1b[Jshardfs: warning: careful\nshardfs: indexing")
	p.Done()
	drawn("\r\x1b[Jshardfs: run: ")
	commands := u.CommandErr()
	commands.WriteString("half a")
	drawn("\r\x1b[Jhalf a") // and nothing after it, until the line ends
	outer.Set(Work{Samples: 1})
	commands.WriteString(" line\n")
	u.Say("error", "it failed")
	drawn("half a line\nshardfs: error: it failed\nshardfs: run: 1 sample,")
	outer.Done()
	u.Close()
	out.Close()
	<-copied
	if !strings.HasSuffix(text.String(), "\r\x1b[J") {
		t.Errorf("the line is left on the screen: %q", text.String())
	}
}
