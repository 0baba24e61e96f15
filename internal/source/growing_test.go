package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/web"
	"github.com/shardfs/shardfs/internal/testing/faultserver"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// far is a shard on a server, and an engine with too little memory for it.
type far struct {
	*testing.T
	engine  *remote.Engine
	server  *faultserver.Server
	content []byte
}

// fetchedAhead is how much memory the engine has.
const fetchedAhead = 64 << 20

func newFar(t *testing.T) *far {
	f := &far{T: t, server: faultserver.New(t)}
	noise, random := make([]byte, 100_000), rand.NewChaCha8([32]byte{1})
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range 600 {
		random.Read(noise)
		for _, m := range []struct {
			name    string
			content []byte
		}{
			{fmt.Sprintf("d/%04d.jpg", i), noise}, {fmt.Sprintf("d/%04d.cls", i), []byte("1")},
			{fmt.Sprintf("NOTES %d", i), nil}, {fmt.Sprintf("d/%04d.png", i), noise[:60_000]},
		} {
			h := &tar.Header{Name: m.name, Size: int64(len(m.content)), Mode: 0o644, ModTime: shardtest.ModTime()}
			shardtest.Check(t, w.WriteHeader(h))
			_, err := w.Write(m.content)
			shardtest.Check(t, err)
		}
	}
	shardtest.Check(t, w.Close())
	f.content = b.Bytes()
	f.server.Put("far.tar", f.content)
	return f
}

// options returns the options to open the shard with, by an engine of its own.
func (f *far) options(cache string) Options {
	f.engine = remote.NewEngine(remote.Options{Cache: ahead.NewCache(ahead.Options{Memory: fetchedAhead})})
	f.Cleanup(f.engine.Close)
	return Options{
		UI: &ui.UI{Out: io.Discard, Err: io.Discard},
		Shard: shard.Options{CacheDir: cache, Store: store.ByScheme(map[string]store.Store{
			"http": remote.New(f.engine, web.Service{}),
		})},
	}
}

// packed packs the chosen samples of the shard.
func (f *far) packed(name string, o Options, c pack.Choice) ([]byte, error) {
	n, err := Resolve(f.server.URL + "/plain/" + name)
	shardtest.Check(f, err)
	list := NewList([]Name{n}, o)
	defer list.Close()
	var out bytes.Buffer
	w := pack.NewWriter(&out, pack.Options{DropOutside: !c.All()})
	err = pack.Pack(f.Context(), w, pack.NewChooser("", c).Apply(list.Samples(f.Context())))
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), errors.Join(err, list.Confirm(f.Context()))
}

// Each byte of a remote shard that is packed is fetched once, whether it has an index or not.
func TestPackedOnce(t *testing.T) {
	f := newFar(t)
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	shardtest.Check(t, err)
	_, err = w.Write(f.content)
	shardtest.Check(t, errors.Join(err, w.Close()))
	f.server.Put("far.tgz", zipped.Bytes())
	cache := t.TempDir() + "/cache"
	for _, tt := range []struct {
		name, cache string
		size        int
	}{
		{"far.tar", "", len(f.content)}, {"far.tgz", "", zipped.Len()},
		{"far.tar", cache, len(f.content)}, {"far.tgz", cache, zipped.Len()}, // which keep the index
		{"far.tar", cache, len(f.content)}, {"far.tgz", cache, zipped.Len()},
	} {
		got, err := f.packed(tt.name, f.options(tt.cache), pack.Choice{})
		if err != nil || !bytes.Equal(got, f.content) {
			t.Fatalf("%+v: %d bytes, %v, want %d", tt, len(got), err, len(f.content))
		}
		if n := int(f.engine.Stats().Bytes); n < tt.size || n > tt.size+tt.size/10 {
			t.Errorf("%+v: %d bytes were fetched", tt, n)
		}
	}
}

// Of a remote shard without an index, little more is fetched than the chosen samples and those before them, and nothing twice.
func TestPackedSome(t *testing.T) {
	f := newFar(t)
	all := len(f.content) * 11 / 10
	for _, tt := range []struct {
		choice        pack.Choice
		samples, most int // in the output, and bytes that are fetched
		err           error
	}{
		{pack.Choice{Count: 10}, 10, len(f.content) / 2, nil},
		{pack.Choice{Count: 10, Skip: 20}, 10, len(f.content) / 2, nil},
		{pack.Choice{Keys: pack.NewKeys("keys", []string{"d/0003", "d/0030"})}, 2, all, nil}, // they may come again
		{pack.Choice{Count: 10, Skip: 1000}, 0, all, pack.ErrEmpty},
	} {
		got, err := f.packed("far.tar", f.options(""), tt.choice)
		if !errors.Is(err, tt.err) {
			t.Errorf("%+v: %v, want %v", tt.choice, err, tt.err)
		}
		if tt.err != nil {
			continue
		}
		x, err := index.Build(bytes.NewReader(got), index.BuildOptions{})
		if err != nil || x.Samples() != tt.samples {
			t.Errorf("%+v: %d samples, %v", tt.choice, x.Samples(), err)
		}
		if n := int(f.engine.Stats().Bytes); n > tt.most {
			t.Errorf("%+v: %d bytes were fetched of %d", tt.choice, n, len(f.content))
		}
	}
}

// Errors of a shard that is packed while it is indexed are those of others.
func TestPackedDamaged(t *testing.T) {
	f := newFar(t)
	f.server.Put("cut.tar", f.content[:len(f.content)/3])
	if _, err := f.packed("cut.tar", f.options(""), pack.Choice{}); !errors.Is(err, index.ErrTruncated) {
		t.Errorf("a cut shard: %v", err)
	}
	f.server.Put("other.tar", bytes.Repeat([]byte("no tar "), 1000))
	if _, err := f.packed("other.tar", f.options(""), pack.Choice{}); !errors.Is(err, index.ErrNotTar) {
		t.Errorf("no tar: %v", err)
	}
}
