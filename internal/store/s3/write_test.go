package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// s3Servers are the servers of the protocol that tests start, by name.
var s3Servers = map[string]func(testing.TB) *servers.S3{"versitygw": servers.Versitygw, "rclone": servers.Rclone,
	"minio": servers.MinIO, "swift": swift}

// written is what the tests of writing need of a server.
type written struct {
	*servers.S3
	buckets atomic.Int64
}

// place returns an empty bucket.
func (w *written) place(t *testing.T, st store.Store) storetest.Harness {
	bucket := fmt.Sprintf("written%d", w.buckets.Add(1))
	w.Bucket(t, bucket)
	return storetest.Harness{Store: st, Prefix: "s3://" + bucket + "/d /", List: func() (names []string) {
		for _, name := range w.List(t, bucket) {
			names = append(names, "s3://"+bucket+"/"+name)
		}
		return names
	}, Apart: true}
}

// Objects are written as the contract of stores has it.
func TestWrite(t *testing.T) {
	for name, start := range s3Servers {
		t.Run(name, func(t *testing.T) {
			w := written{S3: start(t)}
			environment(t, w.Env()...)
			st := remote.New(remotetest.Patient(t), &Service{})
			storetest.Run(t, func(t *testing.T) storetest.Harness {
				h := w.place(t, st)
				h.Mixes, h.Races, h.Copies = name == "versitygw", name == "swift", name != "swift"
				return h
			})
		})
	}
}

// Whatever happens to a request, an object is whole or as it was before.
func TestWriteFaults(t *testing.T) {
	w := written{S3: servers.Versitygw(t)}
	proxy := faultproxy.New(t, w.URL)
	broken := func(t *testing.T, budget, silence time.Duration) storetest.Faulty {
		environment(t, w.Env()...)
		direct := remote.New(remotetest.Patient(t), &Service{})
		_, err := direct.Stat(t.Context(), "s3://none/none") // it has read its environment
		if err == nil {
			t.Fatal("what is not there is found")
		}
		environment(t, append(w.Env(), "AWS_ENDPOINT_URL_S3="+proxy.URL)...)
		st := remote.New(remotetest.Quick(t, budget, silence), &Service{})
		return storetest.Faulty{Harness: w.place(t, st), Proxy: proxy, Direct: direct}
	}
	t.Run("one", func(t *testing.T) { storetest.Faults(t, broken) })
	t.Run("gone", func(t *testing.T) { storetest.Broken(t, broken) })
}

// What a store answers for good ends the writing with the right error, and leaves nothing.
func TestWriteRefused(t *testing.T) {
	w := written{S3: servers.Versitygw(t)}
	proxy := faultproxy.New(t, w.URL)
	environment(t, append(w.Env(), "AWS_ENDPOINT_URL_S3="+proxy.URL)...)
	e := remotetest.Patient(t)
	st := remote.New(e, &Service{})
	for fault, want := range map[faultproxy.Fault]error{"507 InsufficientStorage": syscall.ENOSPC,
		"507 XMinioStorageFull": syscall.ENOSPC, "403 QuotaExceeded": syscall.EDQUOT,
		"403 AccessDenied": fs.ErrPermission} {
		for _, size := range []int{1000, 17 << 20} {
			for from := range 2 { // the first or the second request with a body
				h := w.place(t, st)
				bodies := 0
				proxy.Break(func(_ int, r *http.Request) faultproxy.Fault {
					if r.ContentLength > 0 {
						bodies++
					}
					if r.ContentLength <= 0 || bodies <= from {
						return faultproxy.None
					}
					return fault
				})
				out, err := st.Create(t.Context(), h.Prefix+"a", store.Options{})
				storetest.Check(t, err)
				if _, err = out.Write(storetest.Noise(size, 1)); err == nil {
					err = out.Commit(t.Context())
				}
				out.Abort()
				published := size == 1000 && from == 1
				if !published && !errors.Is(err, want) || published && err != nil {
					t.Errorf("%s at body %d of %d bytes: %v", fault, from, size, err)
				} else if names := h.List(); len(names) > 0 && !published {
					t.Errorf("%s at body %d of %d bytes leaves %q", fault, from, size, names)
				}
			}
		}
	}
}

// Credentials that expire while an object is written are read again, and what was refused is sent again.
func TestWriteWithExpiredToken(t *testing.T) {
	w := written{S3: servers.Versitygw(t)}
	proxy := faultproxy.New(t, w.URL)
	file := filepath.Join(t.TempDir(), "credentials")
	credentials := func(token string) {
		text := fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s\n",
			servers.Access, servers.Secret, token)
		storetest.Check(t, os.WriteFile(file+".new", []byte(text), 0o600))
		storetest.Check(t, os.Rename(file+".new", file)) // a reader sees the old or the new one
	}
	environment(t, "AWS_ENDPOINT_URL_S3="+proxy.URL, "AWS_REGION="+servers.Region, "AWS_SHARED_CREDENTIALS_FILE="+file)
	e := remotetest.Patient(t)
	data := storetest.Noise(17<<20, 1)
	for end := range 9 {
		credentials("old")
		s := &Service{}
		h := w.place(t, remote.New(e, s))
		refused := 0
		proxy.Break(func(number int, r *http.Request) faultproxy.Fault {
			if number < end || r.Header.Get("X-Amz-Security-Token") == "new" {
				storetest.Check(t, w.Sign(r)) // the server knows no tokens
				return faultproxy.None
			}
			refused++
			credentials("new")
			return "400 ExpiredToken"
		})
		out, err := h.Store.Create(t.Context(), h.Prefix+"a", store.Options{})
		storetest.Check(t, err)
		_, err = out.Write(data)
		storetest.Check(t, err)
		storetest.Check(t, out.Commit(t.Context()))
		proxy.Break(nil) // a request that was given up may still come
		if refused == 0 && end < 6 {
			t.Errorf("after request %d nothing is refused", end)
		}
		if names := h.List(); len(names) != 1 {
			t.Errorf("after request %d there is %q", end, names)
		}
	}
}

// A part of an interrupted writer that comes to the store when its upload was given up brings that back in some stores;
// the next writer removes it all the same.
func TestWriteLatePart(t *testing.T) {
	w := written{S3: servers.Versitygw(t)}
	proxy := faultproxy.New(t, w.URL)
	environment(t, append(w.Env(), "AWS_ENDPOINT_URL_S3="+proxy.URL)...)
	h := w.place(t, remote.New(remotetest.Patient(t), &Service{}))
	data := storetest.Noise(17<<20, 1)
	o := store.Options{Resumable: true, PartDir: t.TempDir()}
	parts := 0 // that were sent
	proxy.Break(func(_ int, r *http.Request) faultproxy.Fault {
		if query := r.URL.Query(); query.Has("partNumber") {
			parts++
		} else if r.Method == http.MethodPost && query.Has("uploads") && parts > 0 {
			return faultproxy.Overtake // by the upload of the second writer
		} else {
			return faultproxy.None
		}
		return map[int]faultproxy.Fault{1: faultproxy.Late, 2: "403 AccessDenied"}[parts]
	})
	first, err := h.Store.Create(t.Context(), h.Prefix+"a", o)
	storetest.Check(t, err)
	if _, err := first.Write(data); err != nil && !errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	}
	o.Continue = first.(store.Resumable).TempName()
	storetest.Check(t, first.(store.Resumable).Detach())
	second, err := h.Store.Create(t.Context(), h.Prefix+"a", o)
	storetest.Check(t, err)
	_, err = second.Write(data)
	storetest.Check(t, err)
	storetest.Check(t, second.Commit(t.Context()))
	if names := h.List(); len(names) != 1 {
		t.Errorf("there is %q", names)
	}
}

// parts returns how many parts the first of the listed uploads has.
func parts(t *testing.T, e *remote.Engine, listed []string) int {
	if len(listed) == 0 {
		return 0
	}
	name, id, _ := strings.Cut(listed[0], "#")
	u, err := new(Service).Upload(t.Context(), name, "", e.Send)
	storetest.Check(t, err)
	list, err := u.(remote.PartLister).Parts(t.Context(), id)
	storetest.Check(t, err)
	return len(list)
}

// A writer that is continued sends only what the store does not have.
func TestWriteContinued(t *testing.T) {
	w := written{S3: servers.Versitygw(t)}
	environment(t, w.Env()...)
	e := remotetest.Patient(t)
	h := w.place(t, remote.New(e, &Service{}))
	data := storetest.Noise(50<<20, 1)
	o := store.Options{Resumable: true, PartDir: t.TempDir()}
	for _, had := range []int{40 << 20, len(data)} {
		out, err := h.Store.Create(t.Context(), h.Prefix+"a", o)
		storetest.Check(t, err)
		_, err = out.Write(data[:had])
		storetest.Check(t, err)
		if had < len(data) {
			testtime.Eventually(t, "two parts", func() bool { return parts(t, e, h.List()) == 2 })
			o.Continue = out.(store.Resumable).TempName()
			storetest.Check(t, out.(store.Resumable).Detach())
			continue
		}
		storetest.Check(t, out.Commit(t.Context()))
	}
	if sent := e.Stats().Sent; sent > int64(len(data))+16<<20 {
		t.Errorf("%d bytes of %d were sent", sent, len(data))
	}
	if names := h.List(); len(names) != 1 {
		t.Errorf("there is %q", names)
	}
}
