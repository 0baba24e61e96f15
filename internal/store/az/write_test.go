package az_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/az"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// written are the containers of a test in which the store itself writes.
type written struct {
	name string // what their names begin with
	n    atomic.Int64
}

// place returns an empty container.
func (w *written) place(t *testing.T, s *servers.Azure, st store.Store) storetest.Harness {
	container := fmt.Sprintf("%s-%d", w.name, w.n.Add(1))
	s.Container(t, container, false)
	root := "az://" + container + "/"
	return storetest.Harness{Store: st, Prefix: root + "d /", Missing: "az://no-such-container/d/", Apart: true,
		Names:  []string{"a//b"},
		Remove: func(t *testing.T, name string) { s.Remove(t, container, strings.TrimPrefix(name, root)) },
		List: func() (names []string) {
			for _, name := range s.List(t, container) {
				names = append(names, root+name)
			}
			return names
		}}
}

func testWrite(t *testing.T, s *servers.Azure) {
	st := open(t, s.Env())
	w := written{name: "written"}
	storetest.Run(t, func(t *testing.T) storetest.Harness { return w.place(t, s, st) })
}

// Whatever happens to a request, a blob is whole or as it was before.
func testWriteFaults(t *testing.T, s *servers.Azure) {
	proxy := faultproxy.New(t, s.URL)
	direct := open(t, s.Env())
	w := written{name: "faults"}
	broken := func(t *testing.T, budget, silence time.Duration) storetest.Faulty {
		env := strings.ReplaceAll(strings.Join(s.Env(), "\n"), s.URL, proxy.URL)
		st := remote.New(remotetest.Quick(t, budget, silence), &az.Service{Getenv: storetest.Getenv(env)})
		return storetest.Faulty{Harness: w.place(t, s, st), Proxy: proxy, Direct: direct}
	}
	t.Run("one", func(t *testing.T) { storetest.Faults(t, broken) })
	t.Run("gone", func(t *testing.T) { storetest.Broken(t, broken) })
}

// A signature that permits only reading is said to permit no writing.
func testRefused(t *testing.T, s *servers.Azure) {
	s.Container(t, "refused", false)
	st := open(t, []string{"AZURE_STORAGE_BLOB_ENDPOINT=" + s.Endpoint(),
		"AZURE_STORAGE_SAS_TOKEN=" + s.Signature("rl", time.Now().Add(time.Hour))})
	for _, size := range []int{1000, 40 << 20} {
		w, err := st.Create(t.Context(), "az://refused/a", store.Options{})
		storetest.Check(t, err)
		_, err = w.Write(storetest.Noise(size, 1))
		if err == nil {
			err = w.Commit(t.Context())
		}
		var hinted interface{ Hint() string }
		if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "rcw") {
			t.Errorf("%d bytes: %v", size, err)
		}
		w.Abort()
	}
	if names := s.List(t, "refused"); len(names) > 0 {
		t.Errorf("there is %q", names)
	}
}

// A writer that is continued does not send again the blocks that Azure has.
func testResumed(t *testing.T, s *servers.Azure) {
	s.Container(t, "resumed", false)
	e := remotetest.Patient(t)
	st := remote.New(e, &az.Service{Getenv: storetest.Getenv(s.Env()...)})
	data := storetest.Noise(40<<20, 1)
	o := store.Options{Resumable: true, PartDir: t.TempDir()}
	w, err := st.Create(t.Context(), "az://resumed/a", o)
	storetest.Check(t, err)
	_, err = w.Write(data[:33<<20]) // two blocks are sent, and a byte more
	storetest.Check(t, err)
	blocks := func() int { return strings.Count(s.Blocks(t, "resumed", "a"), "<Name>") }
	testtime.Eventually(t, "two blocks", func() bool { return blocks() == 2 })
	o.Continue = w.(store.Resumable).TempName()
	storetest.Check(t, w.(store.Resumable).Detach())
	before := e.Stats().Sent
	w, err = st.Create(t.Context(), "az://resumed/a", o)
	storetest.Check(t, err)
	_, err = w.Write(data)
	storetest.Check(t, err)
	storetest.Check(t, w.Commit(t.Context()))
	if got := s.Get(t, "resumed", "a"); !bytes.Equal(got, data) {
		t.Errorf("%d other bytes", len(got))
	}
	if sent := e.Stats().Sent - before; sent > 10<<20 {
		t.Errorf("%d bytes were sent after two blocks of %d", sent, 16<<20)
	}
}

// Blocks of another program, whose names have another length, keep all others away. What to do is said.
func testForeignBlocks(t *testing.T, s *servers.Azure) {
	s.Container(t, "foreign", false)
	s.PutBlock(t, "foreign", "a", "other", []byte("block"))
	st := open(t, s.Env())
	w, err := st.Create(t.Context(), "az://foreign/a", store.Options{})
	storetest.Check(t, err)
	if _, err = w.Write(storetest.Noise(20<<20, 1)); err == nil {
		err = w.Commit(t.Context())
	}
	w.Abort()
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "another program has left blocks") {
		t.Errorf("after blocks of another program: %v", err)
	}
	if names := s.List(t, "foreign"); len(names) > 0 {
		t.Errorf("there is %q", names)
	}
}
