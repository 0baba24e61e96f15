package shard

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// falseIndex returns the index of a plain tar without the rows that keep is not true for, ending where the last row
// that is kept ends or, if whole is set, where the tar does. Change may change each entry.
func falseIndex(
	t *testing.T, plain []byte, whole bool, keep func(row int) bool, change func(*index.Entry),
) *index.Index {
	t.Helper()
	s := index.NewScanner(bytes.NewReader(plain))
	var b index.Builder
	end := int64(0)
	for row := 0; ; row++ {
		e, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !keep(row) {
			continue
		}
		change(e)
		end = e.End
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if whole {
		end = s.End()
	}
	return b.Finish(end)
}

// falseIndexes are indexes with right checksums that lack rows of a shard of ten members.
func falseIndexes(t *testing.T, plain []byte) map[string]*index.Index {
	all := make(map[string]*index.Index)
	for story, keep := range map[string]func(row int) bool{
		"rows 2 to 5": func(row int) bool { return row >= 2 && row <= 5 },
		"no front":    func(row int) bool { return row >= 2 },
		"no end":      func(row int) bool { return row <= 5 },
		"no middle":   func(row int) bool { return row < 3 || row > 5 },
		"nothing":     func(int) bool { return false },
	} {
		all[story] = falseIndex(t, plain, false, keep, func(*index.Entry) {})
		all[story+", with the right end"] = falseIndex(t, plain, true, keep, func(*index.Entry) {})
	}
	return all
}

// An index that does not cover its shard is not believed, wherever it is, and not cached: all members are found.
func TestIndexWithoutRows(t *testing.T) {
	plain := makeTar(t, 5, 3000)
	zipped := zip(t, plain)
	for story, x := range falseIndexes(t, plain) {
		for kind, content := range map[string][]byte{"plain": plain, "gzip": zipped} {
			name := save(t, content)
			f := *mustOpen(t, name, Options{}).file
			f.Index = x
			cache := filepath.Join(t.TempDir(), "cache")
			check := func(place string, o Options) {
				t.Helper()
				for range 2 { // the second time from the cache
					checkAll(t, kind+", "+place+": "+story, mustOpen(t, name, o), plain)
				}
			}
			named := filepath.Join(t.TempDir(), "index")
			if err := errors.Join(saveTo(t.Context(), local, &f, name+SidecarSuffix),
				saveTo(t.Context(), local, &f, named)); err != nil {
				t.Fatal(err)
			}
			check("named", Options{IndexFile: named})
			check("sidecar", Options{})
			check("sidecar", Options{CacheDir: cache})
			entry := onlyEntry(t, cache)
			if err := errors.Join(os.Remove(name+SidecarSuffix), saveTo(t.Context(), local, &f, entry)); err != nil {
				t.Fatal(err)
			}
			check("cache", Options{CacheDir: cache})
		}
		for _, format := range codec.Outputs() {
			if format == codec.Plain {
				continue
			}
			checkAll(t, "in the shard: "+story, mustOpen(t, save(t, embed(t, format, plain, x)), Options{}), plain)
		}
	}
}

// embed returns a compressed shard with an index in it.
func embed(t *testing.T, format codec.Format, plain []byte, x *index.Index) []byte {
	t.Helper()
	var b, saved bytes.Buffer
	w, err := format.NewWriter(&b, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := index.File{Index: x}
	f.Map.Plain = int64(len(plain))
	_, writeErr := w.Write(plain)
	if err := errors.Join(writeErr, f.Write(&saved)); err != nil {
		t.Fatal(err)
	}
	w.SetExtra(saved.Bytes())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A sidecar that another user could have written is not believed.
func TestForeignSidecar(t *testing.T) {
	plain := makeTar(t, 5, 3000)
	name := save(t, plain)
	f := *mustOpen(t, name, Options{}).file
	sidecar := name + SidecarSuffix
	defer unix.Umask(unix.Umask(0)) // a sidecar is closed to others all the same
	for _, tt := range []struct {
		story  string
		change func() error
		want   string // in the detail that says why it is not used; "" if it is
	}{
		{"own", func() error { return nil }, ""},
		{"of a group", func() error { return os.Chmod(sidecar, 0o664) }, "can be written to by others"},
		{"of all", func() error { return os.Chmod(sidecar, 0o646) }, "can be written to by others"},
		{"another user's", func() error { return os.Chown(sidecar, 4321, 4321) }, "belongs to user 4321"},
	} {
		if tt.story == "another user's" && os.Geteuid() != 0 {
			skip.Without(t, "root, to give a file to another user")
		}
		if err := errors.Join(saveTo(t.Context(), local, &f, sidecar), tt.change()); err != nil {
			t.Fatal(err)
		}
		var d details
		s := mustOpen(t, name, Options{Detail: d.add})
		if s.Indexed != (tt.want != "") || !strings.Contains(d.String(), tt.want) {
			t.Errorf("%s: indexed %v: %s", tt.story, s.Indexed, &d)
		}
	}
}
