package output

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// listedStore is a store of objects of one byte that counts requests.
type listedStore struct {
	store.Store
	names   []string // sorted
	failing error    // of each listing
	broken  string   // Stat of this name fails

	lists, stats, atOnce, most atomic.Int32
}

func (s *listedStore) List(_ context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		s.lists.Add(1)
		if s.failing != nil {
			yield(store.Entry{}, s.failing)
			return
		}
		for _, name := range s.names {
			if strings.HasPrefix(name, prefix) && !yield(store.Entry{Name: name, Info: store.Info{Size: 1}}, nil) {
				return
			}
		}
	}
}

func (s *listedStore) Stat(_ context.Context, name string) (store.Info, error) {
	s.stats.Add(1)
	s.most.Store(max(s.most.Load(), s.atOnce.Add(1)))
	defer s.atOnce.Add(-1)
	if name == s.broken {
		return store.Info{}, fs.ErrPermission
	}
	if _, ok := slices.BinarySearch(s.names, name); !ok {
		return store.Info{}, fs.ErrNotExist
	}
	return store.Info{Size: 1}, nil
}

// TestPublished checks which outputs are found, and by which requests.
func TestPublished(t *testing.T) {
	numbered := func(format string, n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf(format, i))
		}
		return names
	}
	there := append(numbered("s3://b/out/a-%03d.tar", 50), "s3://b/out/a-007.tar.sfidx", "s3://b/out/a/b.tar")
	slices.Sort(there)
	for _, tt := range []struct {
		about        string
		names        []string
		failing      error
		found        int
		lists, stats int32
	}{
		{"in one directory", numbered("s3://b/out/a-%03d.tar", 100), nil, 50, 1, 0},
		{"few", numbered("s3://b/out/a-%03d.tar", 16), nil, 16, 0, 16},
		{"in many directories", numbered("s3://b/%d/a.tar", 20), nil, 0, 0, 20},
		{"in the bucket", numbered("s3://b/%d.tar", 20), nil, 0, 1, 0},
		{"of many buckets", numbered("s3://%d/x.tar", 20), nil, 0, 0, 20},
		{"without a listing", numbered("s3://b/out/a-%03d.tar", 60), errors.ErrUnsupported, 50, 1, 60},
		{"without leave to list", numbered("s3://b/out/a-%03d.tar", 60), fs.ErrPermission, 50, 1, 60},
		{"of no bucket", numbered("s3://none/a-%03d.tar", 60), fs.ErrNotExist, 0, 1, 0},
		{"none", nil, nil, 0, 0, 0},
	} {
		st := &listedStore{names: there, failing: tt.failing}
		found, err := Published(t.Context(), st, tt.names)
		n := 0
		for i, info := range found {
			if _, want := slices.BinarySearch(there, tt.names[i]); want != (info != nil) {
				t.Errorf("%s: %s: %v", tt.about, tt.names[i], info)
			}
			if info != nil {
				n++
			}
		}
		if err != nil || n != tt.found || len(found) != len(tt.names) {
			t.Errorf("%s: %d of %d, %v, want %d", tt.about, n, len(found), err, tt.found)
		}
		if st.lists.Load() != tt.lists || st.stats.Load() != tt.stats || st.most.Load() > statsAtOnce {
			t.Errorf("%s: %d lists, %d stats, %d at once", tt.about, st.lists.Load(), st.stats.Load(), st.most.Load())
		}
	}
	st := &listedStore{broken: "s3://b/3.tar"}
	if _, err := Published(t.Context(), st, numbered("s3://b/%d.tar", 9)); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("one that cannot be looked for: %v", err)
	}
	st = &listedStore{failing: store.ErrUnreachable}
	_, err := Published(t.Context(), st, numbered("s3://b/%d.tar", 99))
	if !errors.Is(err, store.ErrUnreachable) || st.stats.Load() > 0 {
		t.Errorf("a store that does not answer: %v, asked %d times more", err, st.stats.Load())
	}
}

// TestPublishedFiles checks that an output in a directory that is not there yet is not published, and one that cannot be
// looked for is an error.
func TestPublishedFiles(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.tar")
	if err := os.WriteFile(name, []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	found, err := Published(t.Context(), file.Store{}, []string{name, filepath.Join(dir, "b.tar"), dir + "/none/c.tar"})
	if err != nil || found[0] == nil || found[0].Size != 1 || found[1] != nil || found[2] != nil {
		t.Errorf("%v, %v, want only the first", found, err)
	}
	if found, err := Published(t.Context(), file.Store{}, []string{dir}); !errors.Is(err, store.ErrNotRegular) {
		t.Errorf("a directory: %v, %v", found, err)
	}
}
