package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// partsSize is the size in bytes of an object that remote stores get in two parts.
const partsSize = 16<<20 + 12345

// Faulty is an empty place in a store that is reached through a proxy.
type Faulty struct {
	Harness // List is set

	// Proxy breaks requests of the Store, and of nothing else.
	Proxy *faultproxy.Proxy

	// Direct is the same store without the proxy.
	Direct store.Store
}

// Opener returns a new place, whose Store tries again within a budget, and takes a server for one that is gone after some
// silence.
type Opener func(t *testing.T, budget, silence time.Duration) Faulty

// Faults lets each request of a writer of a small and of a large object, new or not, meet each fault of a proxy (without
// SHARDFS_SLOW_SERVERS, those that differ most). It has no effect: the object is whole, and nothing else is left.
func Faults(t *testing.T, open Opener) {
	limit := testtime.Limit(t, time.Minute)
	faults := []faultproxy.Fault{faultproxy.Error, faultproxy.Reset, faultproxy.Lost, faultproxy.Stall}
	if servers.Slow() {
		faults = faultproxy.Faults()
	}
	old := Noise(100, 2)
	for _, tt := range []struct {
		size   int
		before []byte
	}{{1000, nil}, {1000, old}, {partsSize, old}} {
		for _, fault := range faults {
			name := strings.ReplaceAll(fmt.Sprintf("%d bytes over %d, %s", tt.size, len(tt.before), fault), " ", "-")
			t.Run(name, func(t *testing.T) {
				silence := limit
				if fault == faultproxy.Stall {
					silence = time.Second
				}
				f := open(t, limit, silence)
				f.sweep(t, tt.before, Noise(tt.size, 1), fault)
			})
		}
	}
}

// sweep writes an object again and again, until no request is left to be broken.
func (f *Faulty) sweep(t *testing.T, before, data []byte, fault faultproxy.Fault) {
	for broken := 0; !t.Failed(); broken++ {
		name := fmt.Sprintf("%d", broken)
		if before != nil {
			Check(t, f.write(t, f.Direct, name, before))
		}
		reached := false
		f.Proxy.Break(func(number int, r *http.Request) faultproxy.Fault {
			if number != broken {
				return faultproxy.None
			}
			reached = true
			return fault
		})
		if err := f.write(t, f.Store, name, data); err != nil {
			t.Errorf("request %d is broken: %v", broken, err)
		}
		if f.Proxy.Left() > 0 { // on a busy machine; what the server then does after the end, the next writer removes
			Check(t, f.write(t, f.Direct, name, data))
		}
		f.Proxy.Break(nil)
		f.hasOnly(t, name, data, fmt.Sprintf("after request %d was broken", broken))
		if !reached {
			return
		}
	}
}

// Broken lets all requests of a writer fail from each one on. The object is whole or as it was before, the former only if
// the writer says so or cannot know, and nothing else is left after the next writer.
func Broken(t *testing.T, open Opener) {
	for fault, before := range map[faultproxy.Fault][]byte{faultproxy.Error: nil, faultproxy.Reset: Noise(100, 2)} {
		t.Run(fmt.Sprintf("over-%d-bytes-%s", len(before), fault), func(t *testing.T) {
			f := open(t, 300*time.Millisecond, testtime.Limit(t, time.Minute))
			f.breaks(t, before, Noise(partsSize, 1), fault)
		})
	}
}

// breaks writes an object again and again, while the store is gone from one request on, which is a later one each time.
func (f *Faulty) breaks(t *testing.T, before, data []byte, fault faultproxy.Fault) {
	for from := 0; !t.Failed(); from++ {
		name := fmt.Sprintf("%d", from)
		if before != nil {
			Check(t, f.write(t, f.Direct, name, before))
		}
		reached := false
		f.Proxy.Break(func(number int, r *http.Request) faultproxy.Fault {
			if number < from {
				return faultproxy.None
			}
			reached = true
			return fault
		})
		err := f.write(t, f.Store, name, data)
		f.Proxy.Break(nil)
		if !reached {
			Check(t, err)
			return
		}
		f.isWhole(t, name, before, data, err)
		Check(t, f.write(t, f.Store, name, data))
		f.hasOnly(t, name, data, fmt.Sprintf("after the store was gone from request %d on, and a second writer", from))
	}
}

// isWhole fails the test if an object is neither as before nor, unless its writer has failed for certain, whole.
func (f *Faulty) isWhole(t *testing.T, name string, before, data []byte, err error) {
	t.Helper()
	o, openErr := f.Direct.Open(t.Context(), f.Prefix+name)
	if errors.Is(openErr, fs.ErrNotExist) && before == nil && err != nil {
		return
	}
	Check(t, openErr)
	defer o.Close()
	got, readErr := Read(t, o, 0)
	Check(t, readErr)
	if !bytes.Equal(got, data) && (err == nil || !bytes.Equal(got, before)) {
		t.Errorf("the object has %d bytes, and its writer says: %v", len(got), err)
	}
}

// write writes and commits an object.
func (f *Faulty) write(t *testing.T, st store.Store, name string, data []byte) error {
	w, err := st.Create(t.Context(), f.Prefix+name, store.Options{Replace: true})
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := writeAll(w, data); err != nil {
		return err
	}
	return w.Commit(t.Context())
}

// hasOnly fails the test if an object has another content, or if there is more of it.
func (f *Faulty) hasOnly(t *testing.T, name string, data []byte, when string) {
	t.Helper()
	o, err := f.Direct.Open(t.Context(), f.Prefix+name)
	if err != nil {
		t.Errorf("%s: %v", when, err)
		return
	}
	defer o.Close()
	if got, err := Read(t, o, 0); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s the object has %d bytes: %v", when, len(got), err)
	}
	for _, one := range f.List() {
		if rest, ok := strings.CutPrefix(one, f.Prefix+name); ok && rest != "" && rest[0] == '#' {
			t.Errorf("%s there is %s, too", when, one)
		}
	}
}
