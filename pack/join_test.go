package pack

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestJoin(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatPAX, "d/", "a.x", "README", "d/b.x", "d/b.y", "c.x", "a.y"))
	other := newShard(t, makeTar(t, tar.FormatUSTAR, "c.z", "d/b.t.u", "e/", "d/b.z", "n.x", "c.t", "old.x"))
	o := &Join{Shards: []Base{other.base}}
	samples := o.Apply(All(s.base,
		s.dirs(changes{"c": {remove("sample.x"), write("sample.y", "new")}}, added("n", "sample.y=1"))))
	var out bytes.Buffer
	w := NewWriter(&out, Options{})
	if err := errors.Join(Pack(context.Background(), w, samples), w.Close()); err != nil {
		t.Fatal(err)
	}
	checkReaders(t, out.Bytes())
	// If the other shard has a key more than once, its first sample counts.
	const want = "d/ a.x README d/b.x d/b.y d/b.t.u d/b.z c.y=new c.z a.y n.y=1 n.x"
	if got := listing(t, out.Bytes()); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if o.Alone != 2 || o.Unused() != 2 {
		t.Errorf("%d had nothing, %d were left out, want 2 and 2", o.Alone, o.Unused())
	}
	for _, h := range first(headers(t, out.Bytes())) {
		if h.Name == "d/b.z" && (h.Format != tar.FormatUSTAR || h.Mode != 0o644 || h.Uname != "ann" ||
			!h.ModTime.Equal(seconds(3))) {
			t.Errorf("%+v", h)
		}
	}
}

// Joined with an empty shard, samples do not change by a byte. One that has other keys only is an error.
func TestJoinNothing(t *testing.T) {
	plain := append(makeTar(t, tar.FormatPAX, "d/", "a.x", "README", "a.y", "b.x", "e/"), "after the end"...)
	s := newShard(t, plain)
	for names, want := range map[string]error{"": nil, "A.z c.z": ErrNoMatch} {
		other := newShard(t, makeTar(t, tar.FormatUSTAR, strings.Fields(names)...))
		o := &Join{Shards: []Base{other.base}}
		var out bytes.Buffer
		w := NewWriter(&out, Options{})
		if err := Pack(context.Background(), w, o.Apply(Shard(s.base))); !errors.Is(err, want) {
			t.Fatalf("with %q: %v, want %v", names, err, want)
		} else if want != nil {
			continue
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), plain) || o.Alone != 2 || o.Unused() != other.base.Index.Samples() {
			t.Errorf("%d bytes, %d had nothing, %d were left out", out.Len(), o.Alone, o.Unused())
		}
	}
}

// Samples of several outputs use up one list of others.
func TestJoinSeveral(t *testing.T) {
	other := newShard(t, makeTar(t, tar.FormatUSTAR, "a.z", "b.z", "c.z"))
	o := &Join{Shards: []Base{other.base}}
	for _, tt := range []struct {
		names         string
		alone, unused int
	}{{"a.x", 0, 2}, {"d.x", 1, 2}, {"b.x e.x", 2, 1}} {
		s := newShard(t, makeTar(t, tar.FormatUSTAR, strings.Fields(tt.names)...))
		if err := Pack(context.Background(), NewWriter(io.Discard, Options{}), o.Apply(Shard(s.base))); err != nil {
			t.Fatalf("%s: %v", tt.names, err)
		}
		if o.Alone != tt.alone || o.Unused() != tt.unused {
			t.Errorf("%s: %d had nothing, %d are left, want %d, %d", tt.names, o.Alone, o.Unused(), tt.alone, tt.unused)
		}
	}
}

// An extension that both samples have is an error with key and extension, and so is one that the other sample has
// twice.
func TestJoinClash(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "b.y"))
	for _, names := range [][]string{{"b.z", "b.y"}, {"a.x"}, {"a.z", "a.z"}} {
		labels := newShard(t, makeTar(t, tar.FormatUSTAR, names...)).base
		labels.Name = "labels.tar"
		o := &Join{Shards: []Base{labels}}
		var err error
		for _, e := range o.Apply(Shard(s.base)) {
			err = errors.Join(err, e)
		}
		key, ext, _ := strings.Cut(names[len(names)-1], ".")
		if want := "sample " + key + ": clash of extensions: " + ext +
			" is in labels.tar, too"; !errors.Is(err, ErrExtensionConflict) || err.Error() != want {
			t.Errorf("%s: %v, want %s", names, err, want)
		}
	}
}

// Samples can be sorted by added members, and added members can be selected.
func TestJoinThenSort(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "c.x"))
	labels := classes(t, "a=3", "b=1", "c=2")
	joined := (&Join{Shards: []Base{labels.base}}).Apply(Shard(s.base))
	if got := keys(t, sortSamples(joined, "cls")); !slices.Equal(got, []string{"b", "c", "a"}) {
		t.Errorf("%s", got)
	}
}

// Of several shards each sample gets the members of the first that has its key; a shard may have none of the keys.
func TestJoinShards(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "c.x", "d.x"))
	o := new(Join)
	for _, names := range []string{"", "n.z", "c.z", "b.z b.t c.z"} {
		o.Shards = append(o.Shards, newShard(t, makeTar(t, tar.FormatUSTAR, strings.Fields(names)...)).base)
	}
	var out bytes.Buffer
	w := NewWriter(&out, Options{})
	if err := errors.Join(Pack(t.Context(), w, o.Apply(Shard(s.base))), w.Close()); err != nil {
		t.Fatal(err)
	}
	if got, want := listing(t, out.Bytes()), "a.x b.x b.z b.t c.x c.z d.x"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if o.Alone != 2 || o.Unused() != 2 {
		t.Errorf("%d had nothing, %d were left out, want 2 and 2", o.Alone, o.Unused())
	}
}
