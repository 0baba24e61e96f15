package swift

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// testWrite writes objects as the contract of stores has it.
func testWrite(t *testing.T, s *servers.SwiftServer) {
	n := 0
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		n++
		container := fmt.Sprint("written é+%20", n)
		s.Container(t, container)
		root := "swift://" + container + "/"
		st := remote.New(remotetest.Patient(t), New(storetest.Getenv(s.Env()...)))
		return storetest.Harness{Store: st, Prefix: root + "d/", Missing: "swift://none/", Races: true, Apart: true,
			Names: []string{" ", "a//b", "a/../b"},
			Remove: func(t *testing.T, name string) {
				s.Remove(t, container, strings.TrimPrefix(name, root))
			},
			List: func() (all []string) {
				for _, name := range s.List(t, container) {
					all = append(all, root+name)
				}
				return all
			}}
	})
}

// An object that is replaced leaves no segments, one that is not published neither, and more segments than fit into a
// manifest are those of other manifests. Other clients read the same bytes.
func testSegments(t *testing.T, s *servers.SwiftServer) {
	s.Container(t, "segments")
	e := remotetest.Patient(t)
	service := New(storetest.Getenv(s.Env()...))
	st := remote.New(e, service)
	left := func() (n int) {
		for _, name := range s.List(t, "segments_segments") {
			if strings.HasPrefix(name, "a/shardfs-") {
				n++
			}
		}
		return n
	}
	for _, tt := range []struct{ size, segments int }{{20 << 20, 2}, {40 << 20, 3}, {1000, 0}, {20 << 20, 2}} {
		data := storetest.Noise(tt.size, 1)
		w, err := st.Create(t.Context(), "swift://segments/a", store.Options{Replace: true})
		storetest.Check(t, err)
		_, err = w.Write(data)
		storetest.Check(t, err)
		storetest.Check(t, w.Commit(t.Context()))
		got := s.Get(t, "segments", "a")
		if n := left(); n != tt.segments || !bytes.Equal(got, data) {
			t.Errorf("%d bytes of %d, %d segments, want %d", len(got), tt.size, n, tt.segments)
		}
	}
	w, err := st.Create(t.Context(), "swift://segments/a", store.Options{Replace: true})
	storetest.Check(t, err)
	_, err = w.Write(storetest.Noise(40<<20, 2))
	storetest.Check(t, err)
	storetest.Check(t, w.Abort())
	if n := left(); n != 2 {
		t.Errorf("%d segments after an upload was given up", n)
	}

	up, err := service.Upload(t.Context(), "swift://segments/b", "ID", e.Send)
	storetest.Check(t, err)
	up.(*upload).most = 2
	id, err := up.Begin(t.Context(), remote.Condition{}, false)
	storetest.Check(t, err)
	data := storetest.Noise(7000, 1)
	var parts []remote.Part
	for i := range 7 {
		c := remote.BytesContent(data[1000*i : 1000*(i+1)])
		receipt, err := up.Part(t.Context(), id, i+1, c)
		storetest.Check(t, err)
		parts = append(parts, remote.Part{Number: i + 1, Size: 1000, Receipt: receipt})
	}
	storetest.Check(t, up.Complete(t.Context(), id, parts, nil, remote.Condition{}))
	if got := s.Get(t, "segments", "b"); !bytes.Equal(got, data) {
		t.Errorf("of manifests of manifests, %d bytes", len(got))
	}
	if list, err := service.Unfinished(t.Context(), "swift://segments/", e.Send); err != nil || len(list) > 0 {
		t.Errorf("unfinished: %v, %v", list, err)
	}
}

// Whatever happens to a request, an object is whole or as it was before. What a writer leaves that has lost the store stays
// for a day.
func testWriteFaults(t *testing.T, s *servers.SwiftServer) {
	proxy := faultproxy.New(t, s.URL)
	direct := open(t, s)
	n := 0
	place := func(leaves bool) storetest.Opener {
		return func(t *testing.T, budget, silence time.Duration) storetest.Faulty {
			n++
			container := fmt.Sprint("faults", n)
			s.Container(t, container)
			root := "swift://" + container + "/"
			env := strings.ReplaceAll(strings.Join(s.Env(), "\n"), s.URL, proxy.URL)
			e := remotetest.Quick(t, budget, silence)
			st := remote.New(e, New(storetest.Getenv(strings.Split(env, "\n")...)))
			list := func() (all []string) {
				for _, name := range s.List(t, container) {
					all = append(all, root+name)
				}
				if !leaves {
					all = append(all, unused(t, s, container, e.Send)...)
				}
				return all
			}
			return storetest.Faulty{Harness: storetest.Harness{Store: st, Prefix: root, List: list}, Proxy: proxy,
				Direct: direct}
		}
	}
	t.Run("one", func(t *testing.T) { storetest.Faults(t, place(false)) })
	t.Run("gone", func(t *testing.T) { storetest.Broken(t, place(true)) })
}

// unused returns OBJECT#SEGMENT for each segment that does not belong to the object.
func unused(t *testing.T, s *servers.SwiftServer, container string, send remote.Send) (all []string) {
	q := requests{New(storetest.Getenv(s.Env()...)), container, send}
	segments, err := q.list(t.Context(), "")
	storetest.Check(t, err)
	for _, e := range segments {
		object, rest, _ := strings.Cut(e.Name, mark)
		id, err := q.writeID(t.Context(), object)
		storetest.Check(t, err)
		if !strings.HasPrefix(rest, id+"/") || id == "" {
			all = append(all, "swift://"+container+"/"+object+"#"+rest)
		}
	}
	return all
}
