package pack

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"
)

// FuzzPackRoundTrip packs a tar made of any names, which are separated by bars: untouched, and with every file written
// again. The first gives the same bytes, the second the same members.
func FuzzPackRoundTrip(f *testing.F) {
	for _, names := range []string{
		"a.x|a.y|b.x|a.x|a.x|a.x",
		"d/|a.x|README|a.y|l->|b.x|*|__meta__/a|c.x",
		"./a.x|../b.|/c.x|d//.e|d/.f.x|sample/sample.x/y.z|a.__key__",
		"ü.x|\xff.y|a\nb.c|%.x|%41.%41|" + strings.Repeat("long/", 60) + "n.x",
	} {
		for format := range uint8(4) {
			f.Add(names, format, uint16(3))
			f.Add(names, format, uint16(600))
		}
	}
	f.Fuzz(func(t *testing.T, list string, format uint8, size uint16) {
		formats := []tar.Format{tar.FormatUnknown, tar.FormatUSTAR, tar.FormatPAX, tar.FormatGNU}
		plain := fuzzedTar(strings.Split(list, "|"), formats[int(format)%len(formats)], int(size))
		s := newShard(t, plain)
		out, _, err := packed(s.base, s.dirs(nil), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out, plain) {
			t.Fatalf("untouched: %d bytes, want the same %d", len(out), len(plain))
		}
		// Pieces copied one by one are the same, too.
		out, sum, err := packed(s.base, s.dirs(nil), Options{DropOutside: true})
		if err != nil {
			t.Fatal(err)
		}
		x := s.base.Index
		if sum.Samples > x.Samples() || x.Outside() == 0 && !bytes.Equal(out, plain) {
			t.Fatalf("without others: %+v", sum)
		}
		rewritten := s.dirs(nil)
		for i := range rewritten {
			rewritten[i] = s.rewrite(t, i)
		}
		out, _, err = packed(s.base, rewritten, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := contents(t, out), contents(t, plain); !slices.Equal(got, want) {
			t.Errorf("rewritten: %q, want %q", got, want)
		}
	})
}

// FuzzReshape sorts, shuffles, joins and splits a tar made of any names. Afterwards all samples are there, each with
// the measured size; joining with an empty shard changes nothing, and concatenated splits equal the unsplit output.
func FuzzReshape(f *testing.F) {
	f.Add("a.x|a.y|b.x|c.y|c.x|d.x", uint8(2), uint64(1))
	f.Add("d/|a.x|README|a.y|l->|b.x|*|__meta__/a|c.x|a.z", uint8(1), uint64(9))
	f.Add("./a.x|../b.|/c.x|d//.e|d/.f.x|sample/sample.x/y.z|a.__key__", uint8(3), uint64(0))
	f.Fuzz(func(t *testing.T, list string, n uint8, seed uint64) {
		size := int(n) + 1
		s := newShard(t, fuzzedTar(strings.Split(list, "|"), tar.FormatUnknown, size))
		want := keys(t, Shard(s.base))
		slices.Sort(want)
		other := newShard(t, makeTar(t, tar.FormatUSTAR))
		for name, samples := range map[string]iter.Seq2[Sample, error]{
			"sorted":   sortSamples(Shard(s.base), ""),
			"shuffled": shuffleSamples(Shard(s.base), size, seed),
			"joined":   (&Join{Shards: []Base{other.base}}).Apply(Shard(s.base)),
		} {
			got := keys(t, samples)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		whole, _, err := packed(s.base, s.dirs(nil), Options{OwnEnd: true})
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		var out bytes.Buffer
		w := NewWriter(&out, Options{OwnEnd: true})
		for sample, err := range Shard(s.base) {
			if err != nil {
				t.Fatal(err)
			}
			after, err := w.Measure(sample)
			if err != nil {
				t.Fatal(err)
			}
			if after.Samples > size {
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				parts = append(parts, contents(t, out.Bytes())...)
				out.Reset()
				before := w
				w = NewWriter(&out, Options{OwnEnd: true})
				w.Continue(before)
				if after, err = w.Measure(sample); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.Write(sample), w.Flush()); err != nil || w.Summary() != after {
				t.Fatalf("%+v, %v, measured %+v", w.Summary(), err, after)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if parts = append(parts, contents(t, out.Bytes())...); !slices.Equal(parts, contents(t, whole)) {
			t.Errorf("in parts: %q, want %q", parts, contents(t, whole))
		}
	})
}

// fuzzedTar returns a tar of those of the names that its format supports; see makeTar for their meaning.
func fuzzedTar(names []string, format tar.Format, size int) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, ModTime: time.Unix(int64(size), 0),
			Format: format,
			Size:   int64(size)}
		switch rest, isLink := strings.CutSuffix(name, "->"); {
		case name == "*":
			h = tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "none"}}
		case isLink:
			h.Name, h.Typeflag, h.Linkname, h.Size = rest, tar.TypeSymlink, "target", 0
		case strings.HasSuffix(name, "/"):
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		if w.WriteHeader(&h) == nil {
			io.WriteString(w, strings.Repeat("c", int(h.Size)))
		}
	}
	w.Close()
	return b.Bytes()
}

// rewrite returns the directory of a sample with every file written again, with the same content.
func (s shard) rewrite(t *testing.T, number int) Dir {
	sample := s.base.Index.Sample(number)
	f := Dir{Path: sample.Path, Sample: &sample}
	for _, m := range MemberFiles(s.base.Index, sample, func(string) bool { return true }) {
		data, size := s.base.Index.Content(m.Row)
		f.Files = append(f.Files, file(m.Name, string(s.plain[data:data+size])))
	}
	return f
}

// contents returns the names and contents of a tar's entries.
func contents(t *testing.T, plain []byte) (list []string) {
	t.Helper()
	s := index.NewScanner(bytes.NewReader(plain))
	for {
		e, err := s.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(e.Name)+"="+string(plain[e.Data:e.Data+e.Size]))
	}
}
