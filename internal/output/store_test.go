package output

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/claim"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// objects is a store in memory that lists its objects.
type objects struct{ *memory.Store }

func (s objects) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	prefix, _ = store.CutQuery(prefix)
	return func(yield func(store.Entry, error) bool) {
		for _, name := range s.Names() {
			info, err := s.Stat(ctx, name)
			if err == nil && strings.HasPrefix(name, prefix) && !yield(store.Entry{Name: name, Info: info}, nil) {
				return
			}
		}
	}
}

// samples returns samples with the given keys, each with a member of 100 bytes.
func samples(t *testing.T, keys ...string) iter.Seq2[pack.Sample, error] {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, key := range keys {
		err := w.WriteHeader(&tar.Header{Name: key + ".txt", Size: 100, Mode: 0o644})
		if _, writeErr := w.Write(make([]byte, 100)); errors.Join(err, writeErr) != nil {
			t.Fatal(err, writeErr)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	x, err := index.Build(bytes.NewReader(b.Bytes()), index.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pack.Shard(pack.Base{Index: x, Plain: bytes.NewReader(b.Bytes()), Size: int64(b.Len())})
}

// TestSplitToStore checks that outputs in a store, and indexes beside them, are written under names that keep the query
// of a URL, and that objects of an earlier run are found.
func TestSplitToStore(t *testing.T) {
	const query = "?sig=secret%2F"
	st, said := objects{memory.New()}, new(bytes.Buffer)
	u := &ui.UI{Err: said, LogFormat: "text"}
	o := Options{
		Name: "az://A/c/out/p-%02d.tar" + query, UI: u, Store: st, Sidecar: true,
		Exports: []indexformat.Format{indexformat.WDS2IDX},
	}
	for _, other := range []string{"p-07.tar", "p-7.tar", "p-08.tar.gz", "x/p-08.tar", "p-008.tar"} {
		st.Put("az://A/c/out/"+other+query, []byte("other"))
	}
	f := new(claim.Files)
	if err := (Split{Count: 2}).Claim(t.Context(), &o, f, "-o"); err != nil || f.Check() != nil {
		t.Fatal(err, f.Check())
	}
	if err := (Split{Count: 2}).Write(t.Context(), o, samples(t, "a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range []string{"p-00.tar", "p-00.tar.sfidx", "p-00.idx", "p-01.tar", "p-01.tar.sfidx", "p-01.idx"} {
		want = append(want, "az://A/c/out/"+name+query)
	}
	for _, name := range want {
		if _, err := st.Stat(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(st.Names()); n != len(want)+5 {
		t.Errorf("%d objects: %q", n, st.Names())
	}
	const warning = "outputs of an earlier run: az://A/c/out/p-07.tar: those that are not replaced stay"
	const left = "not of this run: az://A/c/out/p-07.tar: a pattern would read them, too"
	for _, text := range []string{warning, left} {
		if !strings.Contains(said.String(), text) {
			t.Errorf("said %s, want %s", said, text)
		}
	}
	if strings.Contains(said.String(), "secret") {
		t.Errorf("said %s", said)
	}
	sh, err := shard.Open(t.Context(), want[0], shard.Options{Store: st, CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer sh.Close()
	if keys := slices.Collect(sh.Index.Keys()); !slices.Equal(keys, []string{"a", "b"}) {
		t.Errorf("%q in the first", keys)
	}
	o.IfExists = Fail
	if err := (Split{Count: 2}).Claim(t.Context(), &o, f, "-o"); !errors.Is(err, store.ErrExists) ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("with --if-exists fail: %v", err)
	}
}

// TestIndexesKept checks that an object beside a shard that is no index is not replaced.
func TestIndexesKept(t *testing.T) {
	for _, name := range []string{"s3://b/a.tar.sfidx", "s3://b/a.idx"} {
		st := objects{memory.New()}
		st.Put(name, []byte("of another program, which needs it"))
		o := Options{
			Name: "s3://b/a.tar", UI: &ui.UI{Err: io.Discard}, Store: st, Sidecar: true,
			Exports: []indexformat.Format{indexformat.WDS2IDX},
		}
		if err := o.Claim(t.Context(), new(claim.Files), "-o"); !errors.Is(err, shard.ErrNotIndex) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEarlierObjects checks that an error of a listing is not taken for an empty one.
func TestEarlierObjects(t *testing.T) {
	for _, tt := range []struct{ listing, want error }{
		{store.ErrUnreachable, store.ErrUnreachable}, {errors.ErrUnsupported, nil},
	} {
		o := Options{Name: "s3://b/%d.tar", Store: &listedStore{failing: fmt.Errorf("list: %w", tt.listing)}}
		if found, err := o.earlier(t.Context()); !errors.Is(err, tt.want) || len(found) > 0 {
			t.Errorf("%v: %v, %v", tt.listing, found, err)
		}
	}
}
