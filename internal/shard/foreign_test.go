package shard

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/memory"
)

const foreignShard = "https://user:secret@host/dir/a.tar?secret"

// besideForeign returns the name of a foreign index of foreignShard.
func besideForeign(suffix string) string {
	return strings.Replace(foreignShard, ".tar", suffix, 1)
}

// exported returns the index of another tool.
func exported(t *testing.T, f indexformat.Format, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	s := indexformat.Shard{Index: mustIndex(t, plain), Plain: bytes.NewReader(plain), Size: int64(len(plain))}
	if _, err := indexformat.Export(&b, f, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkForeign checks that a shard that was opened by a foreign index has the samples and bytes of plain.
func checkForeign(t *testing.T, s *Shard, plain []byte) {
	t.Helper()
	want := mustIndex(t, plain)
	if got, keys := slices.Collect(s.Index.Keys()), slices.Collect(want.Keys()); !slices.Equal(got, keys) {
		t.Fatalf("%q, want %q", got, keys)
	}
	for row := range want.Rows() {
		content, err := s.Index.Open(row, s.Reader(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		data, size := want.Content(row)
		if got, err := io.ReadAll(content); err != nil || !bytes.Equal(got, plain[data:data+size]) {
			t.Fatalf("row %d: %d bytes, %v", row, len(got), err)
		}
	}
}

// An index of another tool beside a remote shard comes together with the shard's first bytes, and nothing else is read to
// list the shard.
func TestOpenForeign(t *testing.T) {
	plain := makeTar(t, 40, 100_000)
	for suffix, format := range map[string]indexformat.Format{
		".idx": indexformat.WDS2IDX, ".json": indexformat.HuggingFace,
	} {
		cache := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			f := &far{Store: memory.New(), exact: true}
			f.Put(foreignShard, plain)
			f.Put(besideForeign(suffix), exported(t, format, plain))
			var said details
			o := Options{Store: f, CacheDir: cache, Provisional: true, Growing: true, Detail: said.add}
			begun := time.Now()
			s, err := Open(t.Context(), foreignShard, o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for n := range s.Index.Samples() {
				s.Index.Sample(n)
			}
			asked := []string{
				besideForeign(".idx"), besideForeign(".json"), foreignShard, besideForeign(".tar" + SidecarSuffix),
			}
			slices.Sort(asked)
			slices.Sort(f.asked)
			took := time.Since(begun)
			if took > roundTrip || !slices.Equal(f.asked, asked) || s.Indexed || s.Growing() {
				t.Errorf("%v, %q, indexed: %v", took, f.asked, s.Indexed)
			}
			if err := s.Wait(t.Context(), func(x *index.Index) bool { return x.Samples() == 40 }); err != nil {
				t.Error(err)
			}
			checkForeign(t, s, plain)
			text := said.String()
			if !strings.Contains(text, "index of "+string(format)) || strings.Contains(text, "secret") {
				t.Errorf("told: %s", text)
			}
			if err := s.Save(t.Context(), "memory://b"); !errors.Is(err, index.ErrStale) {
				t.Errorf("saved as if it were ours: %v", err)
			}
		})
		if names := cacheFiles(t, cache); len(names) != 0 {
			t.Errorf("%s: in the cache: %q", suffix, names)
		}
	}
}

// A foreign index is used only on request, and where a false one can be remembered.
func TestOpenForeignNot(t *testing.T) {
	plain := makeTar(t, 5, 1000)
	words := exported(t, indexformat.WDS2IDX, plain)
	for _, tt := range []struct {
		story, shard string
		content      []byte
		o            Options
	}{
		{"without Provisional", foreignShard, plain, Options{CacheDir: t.TempDir()}},
		{"without a cache", foreignShard, plain, Options{Provisional: true}},
		{"with a cache that cannot be", foreignShard, plain, Options{CacheDir: "/dev/null/x", Provisional: true}},
		{"without index files", foreignShard, plain, Options{CacheDir: t.TempDir(), Provisional: true, NoIndex: true}},
		{"in a file", foreignShard, plain, Options{
			CacheDir: t.TempDir(), Provisional: true, IndexFile: filepath.Join(t.TempDir(), "x")}},
		{"another suffix", "memory://bucket/a", plain, Options{CacheDir: t.TempDir(), Provisional: true}},
		{"no directory", "memory://a.tar", plain, Options{CacheDir: t.TempDir(), Provisional: true}},
	} {
		f := &far{Store: memory.New(), exact: true}
		f.Put(tt.shard, tt.content)
		for _, p := range indexformat.Beside(tt.shard) {
			f.Put(p.Name, words)
		}
		f.Put(besideForeign(".idx"), words)
		tt.o.Store = f
		s := mustOpen(t, tt.shard, tt.o)
		if !s.Indexed || s.Foreign != "" || slices.ContainsFunc(f.asked, func(what string) bool {
			return strings.Contains(what, ".idx")
		}) {
			t.Errorf("%s: indexed %v, asked for %q", tt.story, s.Indexed, f.asked)
		}
	}
	// A sidecar of ours takes precedence, and so does what is cached.
	f := &far{Store: memory.New(), exact: true}
	f.Put("memory://b/a.tar", plain)
	f.Put("memory://b/a.idx", words)
	o := Options{Store: f, CacheDir: t.TempDir()}
	mustOpen(t, "memory://b/a.tar", o)
	o.Provisional = true
	if s := mustOpen(t, "memory://b/a.tar", o); s.Foreign != "" || s.Indexed {
		t.Error("it is used although an index is cached")
	}
}

// Whatever is beside a shard and cannot be its index is not used, and does no harm.
func TestOpenForeignRefused(t *testing.T) {
	plain := makeTar(t, 5, 1000)
	words := string(exported(t, indexformat.WDS2IDX, plain))
	object := string(exported(t, indexformat.HuggingFace, plain))
	other := makeTar(t, 7, 1000)
	for _, tt := range []struct{ story, suffix, text string }{
		{"empty", ".idx", ""},
		{"of another shard", ".idx", string(exported(t, indexformat.WDS2IDX, other))},
		{"of another shard", ".json", string(exported(t, indexformat.HuggingFace, other))},
		{"another size", ".json", strings.Replace(object, `"filesize": `, `"filesize": 1`, 1)},
		{"no size", ".json", "{" + object[strings.Index(object, `"hash"`):]},
		{"other JSON", ".json", `{"label": 1}`},
		{"not JSON", ".json", strings.Repeat("[", 1<<20)},
		{"cut", ".json", object[:len(object)/2]},
		{"cut", ".idx", words[:len(words)-20]},
		{"too large", ".idx", words + strings.Repeat("\n", maxInMemory)},
		{"many samples", ".idx", strings.Replace(words, "v1.2 5", "v1.2 999999999999", 1)},
		{"outside", ".idx", strings.Replace(words, "cls 512 1", "cls 5120000 1", 1)},
		{"not in order", ".idx", strings.Replace(words, "cls 512 1", "cls 2048 1", 1)},
		{"overlapping", ".idx", strings.Replace(words, "cls 512 1", "cls 512 1024", 1)},
		{"negative", ".idx", strings.Replace(words, "cls 512 1", "cls -512 1", 1)},
		{"the wrong first name", ".idx", strings.Replace(words, "0000.cls", "0009.cls", 1)},
		{"a name above", ".idx", strings.Replace(words, "0000.cls", "../0000.cls", 1)},
		{"NUL", ".idx", strings.Replace(words, "0000.cls", "00\x000.cls", 1)},
		{"offsets", ".idx", string(exported(t, indexformat.Energon, plain))},
	} {
		f := &far{Store: memory.New(), exact: true}
		f.Put(foreignShard, plain)
		f.Put(besideForeign(tt.suffix), []byte(tt.text))
		var said details
		o := Options{Store: f, CacheDir: t.TempDir(), Provisional: true, Detail: said.add}
		s := mustOpen(t, foreignShard, o)
		checkAll(t, tt.story, s, plain)
		if why := said.String(); !s.Indexed || !strings.Contains(why, "https://host/dir/a"+tt.suffix+": ") {
			t.Errorf("%s: indexed %v, %s", tt.story, s.Indexed, why)
		}
	}
}

// One that is not there, or cannot be had, is done without.
func TestOpenForeignErrors(t *testing.T) {
	plain := makeTar(t, 5, 1000)
	for _, err := range []error{fs.ErrNotExist, fs.ErrPermission, errors.New("odd"), store.ErrUnreachable} {
		f := &far{Store: memory.New(), exact: true, fails: map[string]error{
			besideForeign(".idx"): err, besideForeign(".json"): err,
		}}
		f.Put(foreignShard, plain)
		s := mustOpen(t, foreignShard, Options{Store: f, CacheDir: t.TempDir(), Provisional: true})
		checkAll(t, err.Error(), s, plain)
	}
}

// A forged index that nothing contradicts at first gives no wrong bytes: it is false when such a member is used, and the
// shard is scanned when it is opened next.
func TestOpenForeignFalse(t *testing.T) {
	plain, other := swapped(t)
	f := &far{Store: memory.New(), exact: true}
	f.Put(foreignShard, plain)
	text := string(exported(t, indexformat.WDS2IDX, other))
	text = strings.Replace(text, "cls 512 2 0010.cls", "cls 512 1 0000.cls", 1) // the first is looked at
	f.Put(besideForeign(".idx"), []byte(text))
	o := Options{Store: f, CacheDir: t.TempDir(), Provisional: true}
	s, err := Open(t.Context(), foreignShard, o)
	if err != nil {
		t.Fatal(err)
	}
	if s.Foreign == "" {
		t.Fatal("it is not used: the test proves nothing")
	}
	right := mustIndex(t, plain)
	for row := range s.Index.Rows() {
		content, err := s.Index.Open(row, s.Reader(t.Context()))
		if err == nil && (s.Index.FileName(row) != right.FileName(row) ||
			s.Index.Key(s.Index.SampleOfRow(row)) != right.Key(right.SampleOfRow(row))) {
			t.Errorf("row %d of %d bytes is wrong", row, content.Size())
		}
	}
	if err := s.Wait(t.Context(), func(*index.Index) bool { return true }); !errors.Is(err, index.ErrStale) {
		t.Errorf("looked at afterwards: %v", err)
	}
	asked := len(f.asked)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if len(f.asked) != asked {
		t.Errorf("the shard is scanned when it is closed: %q", f.asked[asked:])
	}
	for _, indexed := range []bool{true, false} { // then it is cached
		s := mustOpen(t, foreignShard, o)
		if s.Indexed != indexed || s.Foreign != "" {
			t.Errorf("the next time: indexed %v, want %v", s.Indexed, indexed)
		}
		checkAll(t, "the next one", s, plain)
	}
}

// The index of another tool is of the shard's origin, whether the store proves versions or not.
func TestOpenForeignOrigin(t *testing.T) {
	plain := makeTar(t, 5, 1000)
	for _, exact := range []bool{true, false} {
		f := &far{Store: memory.New(), exact: exact}
		f.Put(foreignShard, plain)
		f.Put(besideForeign(".json"), exported(t, indexformat.HuggingFace, plain))
		o := Options{Store: f, CacheDir: t.TempDir(), Provisional: true}
		foreign := mustOpen(t, foreignShard, o)
		o.Provisional = false
		ours := mustOpen(t, foreignShard, o)
		if foreign.Foreign == "" || !ours.Indexed || ours.Origin != foreign.Origin {
			t.Errorf("%s, indexed %v: %v, %v", foreign.Foreign, ours.Indexed, foreign.Origin, ours.Origin)
		}
	}
}
