package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// TestFaultsToStores lets each request of a run, which reads shards of a store and writes into that, meet each fault of a
// proxy, one at a time. The run overcomes it. When all processes of the run are killed instead, each output is absent or
// whole, and the same command does the rest. Nothing is left then.
func TestFaultsToStores(t *testing.T) {
	few := map[string]faultproxy.Fault{"s3": faultproxy.Lost, "gs": faultproxy.Cut, "az": killed,
		"swift": faultproxy.Reset, "ais": faultproxy.Error}
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) {
			s := newStoreRun(t, scheme)
			for _, fault := range append(faultproxy.Faults(), killed, killedAfter) {
				if *long || fault == few[scheme] {
					t.Run(strings.ReplaceAll(string(fault), " ", "-"), func(t *testing.T) { s.as(t).sweep(fault) })
				}
			}
		})
	}
}

// Faults that are a kill of the run.
const (
	killed      faultproxy.Fault = "kill"           // and the server does not get the request
	killedAfter faultproxy.Fault = "kill, and sent" // the server gets it
)

// storeRun is a run over shards in a bucket, with outputs in it. The last of them is uploaded in parts.
type storeRun struct {
	*place
	b     *bucket
	proxy *faultproxy.Proxy
	in    []string
	whole map[string][]byte // the outputs that it should write, by names of shards
}

func newStoreRun(t *testing.T, scheme string) *storeRun {
	t.Helper()
	s := &storeRun{place: newPlace(t, nil), b: newBucket(t, scheme), whole: map[string][]byte{}}
	server := s.b.url
	if gs, ok := s.b.objects.(*servers.GCS); ok {
		server = gs.Sessions(t)
	}
	s.proxy = faultproxy.New(t, server)
	s.patient = testtime.Limit(t, 3*time.Minute) // a fault that is silence takes 30 seconds
	for name, size := range map[string]int{"a": 3000, "b": 3000, "c": 1_500_000} {
		s.must(os.WriteFile(s.path(name+".tar"), someSamples(t, 6, size), 0o666))
		s.env = s.b.env
		in, out := s.b.scheme+"://bucket/"+name+".tar", "out/"+name+".tar"
		if r := s.run(fault{}, "pack", "-q", name+".tar", "-o", in); r.status != 0 {
			t.Fatal(r.stderr)
		}
		s.in = append(s.in, in)
		if r := s.run(fault{}, s.command(name+".tar", out)...); r.status != 0 {
			t.Fatal(r.stderr)
		}
		content, err := os.ReadFile(s.path(out))
		s.must(err)
		s.whole[name] = content
	}
	slices.Sort(s.in)
	s.env = s.b.behind(s.proxy.URL).env
	return s
}

// as returns the run for a subtest.
func (s *storeRun) as(t *testing.T) *storeRun {
	q := *s
	q.place = s.place.as(t)
	return &q
}

// command returns the command line of a run. Shards and the output are its last arguments.
func (s *storeRun) command(more ...string) []string {
	i := len(more) - 1
	args := []string{"run", "-q", "-j", "2", "--workspace", "dir", "-c", "cat sample.bin >sample.copy && rm sample.txt"}
	return append(append(args, more[:i]...), "-o", more[i])
}

// TestCallsToStores kills such a run at its system calls, or makes them fail.
func TestCallsToStores(t *testing.T) {
	needsStrace(t)
	whats := []string{"write:signal=SIGKILL", "openat:signal=SIGKILL", "connect:signal=SIGKILL", "read:signal=SIGKILL",
		"openat:error=EIO", "connect:error=ENETUNREACH", "mkdirat:error=ENOSPC", "unlinkat:signal=SIGKILL"}
	for i, scheme := range []string{"s3", "gs", "az"} {
		t.Run(scheme, func(t *testing.T) {
			s := newStoreRun(t, scheme)
			points := 0
			for j, what := range whats {
				if !*long && j != i {
					continue
				}
				call, how, _ := strings.Cut(what, ":")
				for nth, fired := 1, 1; fired > 0 && !t.Failed(); nth = manyOrFew(nth+1+nth/30, 20*nth) {
					prefix := fmt.Sprintf("%s-%s-%d/", call, strings.ReplaceAll(how, "=", "-"), nth)
					args := s.command(append(slices.Clone(s.in), scheme+"://bucket/"+prefix+"{name}.tar")...)
					s.reset(nil)
					f := fault{inject: fmt.Sprintf("%s:when=%d", what, nth), only: true}
					r := s.run(f, args...)
					if fired = r.fired; fired < 0 {
						fired = 1 // which proves nothing
						continue
					}
					if r.hung || r.status != 0 && fired == 0 {
						t.Errorf("%v: exit status %d, hung: %v: %s", f, r.status, r.hung, r.stderr)
					}
					s.again(prefix, args, r.status == 0, f.String())
					points += min(fired, 1)
				}
			}
			if t.Logf("%d points", points); points < manyOrFew(100, 1) {
				t.Errorf("the fault occurred at %d points", points)
			}
		})
	}
}

// sweep breaks one request of a run after the other (without -long, few), until none is left to be broken.
func (s *storeRun) sweep(what faultproxy.Fault) {
	broken := 0
	defer func() { s.proxy.Break(nil) }()
	for nth := manyOrFew(0, 1); !s.t.Failed(); nth += manyOrFew(1, 13) {
		prefix := strings.ReplaceAll(fmt.Sprintf("%s-%d/", what, nth), " ", "-")
		args := s.command(append(slices.Clone(s.in), s.b.scheme+"://bucket/"+prefix+"{name}.tar")...)
		s.reset(nil)
		var reached atomic.Bool
		s.proxy.Break(func(number int, r *http.Request) faultproxy.Fault {
			if number != nth {
				return faultproxy.None
			}
			reached.Store(true)
			if what != killed && what != killedAfter {
				return what
			}
			for _, p := range processes(s.dir) {
				unix.Kill(p.pid, unix.SIGKILL)
			}
			if what == killed {
				return faultproxy.Reset
			}
			return faultproxy.None
		})
		r := s.run(fault{}, args...)
		kill := reached.Load() && (what == killed || what == killedAfter)
		s.proxy.Break(nil)
		if (r.status == 0) == kill || r.hung {
			s.t.Errorf("request %d: exit status %d, hung: %v: %s", nth, r.status, r.hung, r.stderr)
		}
		s.again(prefix, args, !kill, fmt.Sprint("request ", nth))
		if !reached.Load() {
			break
		}
		broken++
	}
	if s.t.Logf("%d requests", broken); broken < manyOrFew(15, 2) {
		s.t.Errorf("%d requests were broken", broken)
	}
}

// again checks the outputs below a prefix after a run that was disturbed somewhere, and runs it again: then all are there,
// and nothing else is left.
func (s *storeRun) again(prefix string, args []string, all bool, where string) {
	s.t.Helper()
	s.gone()
	s.age()
	s.holds(prefix, all, where)
	again := s.run(fault{}, args...)
	if again.status == exitTemporary && !all {
		again = s.run(fault{}, args...) // only then has the server done what the killed run had asked for last
	}
	if again.status != 0 {
		s.t.Errorf("%s, again: exit status %d: %s", where, again.status, again.stderr)
	}
	s.holds(prefix, true, where)
	for _, left := range leftovers(s.dir, s.patient) {
		s.t.Errorf("%s: %s", where, left)
	}
}

// holds checks that the outputs below a prefix are whole or, unless all have to be there, absent; then there is no unfinished
// upload, too.
func (s *storeRun) holds(prefix string, all bool, where string) {
	s.t.Helper()
	names := s.b.List(s.t, "bucket")
	for name, want := range s.whole {
		name = prefix + name + ".tar"
		if !slices.Contains(names, name) {
			if all {
				s.t.Errorf("%s: there is no %s", where, name)
			}
		} else if got := s.b.Get(s.t, "bucket", name); !bytes.Equal(got, want) {
			s.t.Errorf("%s: %s has %d bytes, want %d, or others", where, name, len(got), len(want))
		}
	}
	for _, name := range names {
		if all && strings.Contains(name, "#") {
			s.t.Errorf("%s: there is %s", where, name)
		}
	}
}
