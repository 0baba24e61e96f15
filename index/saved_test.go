package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/codec"
)

// savedOf returns an index with something in every column, as it is put into a file.
func savedOf(t testing.TB) *Saved {
	return &Saved{
		Origin:   Origin{Size: 1 << 40, ModTime: -5, Inode: 1<<64 - 1},
		Format:   codec.Gzip,
		Plain:    1 << 41,
		Trailing: 7,
		Cut:      "a reason",
		Checkpoints: []codec.Checkpoint{
			{Out: 0, In: 0, Member: true},
			{Out: 1 << 33, In: 1 << 32, Bit: 7, Window: []byte("window")},
			{Out: 1 << 34, In: 1 << 33, Bit: 0, Window: []byte("another")},
		},
		Index: indexOf(t, "a.x", "README", "a.x", "a/sample.x/b.y", "a.z", strings.Repeat("k", 300)+".x"),
	}
}

// encode returns the bytes of an index file.
func encode(t testing.TB, f *Saved) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// checkSaved checks that an index is the same after it was in a file.
func checkSaved(t testing.TB, f *Saved) {
	t.Helper()
	got, err := Decode(encode(t, f))
	if err != nil {
		t.Fatal(err)
	}
	// A column without rows may be nil or not.
	for _, x := range []*Index{got.Index, f.Index} {
		for _, s := range sections(new([]byte), new(checkpoints), &x.c) {
			if len(s.bytes()) == 0 {
				if err := s.set(nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if !reflect.DeepEqual(got, f) {
		t.Errorf("%+v, want %+v", got, f)
	}
	if got, want := describe(got.Index), describe(f.Index); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// describe calls every method of an index and returns what they say.
func describe(x *Index) []any {
	list := []any{x.Samples(), x.Rows(), x.Others(), x.End(), x.Dirs(), fmt.Sprint(x.Extensions())}
	for row := range x.Rows() {
		data, size := x.Content(row)
		list = append(list, x.Member(row), x.Offset(row), data, size, x.ModTime(row), x.InSample(row), x.OtherName(row))
		if x.InSample(row) && x.Samples() > 0 {
			list = append(list, x.FileName(row), x.SampleOfRow(row))
		}
	}
	for number := range x.Samples() {
		row, ok := x.FindFile(number, "sample.x")
		list = append(list, x.Sample(number), x.Key(number), x.DirOf(number), row, ok)
	}
	for d := range Dir(x.Dirs()) {
		if d == Root {
			continue
		}
		number, isSample := x.SampleIn(d)
		list = append(list, x.Name(d), x.Path(d), x.Parent(d), number, isSample)
	}
	var walk func(d Dir)
	walk = func(d Dir) {
		for child, ok := x.FirstChild(d); ok; child, ok = x.Sibling(child) {
			list = append(list, child)
			walk(child)
		}
	}
	walk(Root)
	for _, path := range []string{"", "a", "a/b", "nowhere"} {
		d, ok := x.Find(path)
		number, isKey := x.FindKey(path)
		list = append(list, d, ok, number, isKey)
	}
	return list
}

func TestSaved(t *testing.T) {
	checkSaved(t, savedOf(t))
	checkSaved(t, &Saved{Index: indexOf(t)})
	checkSaved(t, &Saved{Index: build(t, cutTar(t))})
}

// A file with any byte changed or missing is refused.
func TestSavedDamaged(t *testing.T) {
	whole := encode(t, savedOf(t))
	for at := range whole {
		for _, change := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(whole)
			b[at] ^= change
			if _, err := Decode(b); !errors.Is(err, ErrStale) {
				t.Fatalf("byte %d changed: %v, want %v", at, err, ErrStale)
			}
		}
		if _, err := Decode(bytes.Clone(whole[:at])); !errors.Is(err, ErrStale) {
			t.Fatalf("cut at byte %d: %v, want %v", at, err, ErrStale)
		}
	}
	if _, err := Decode(append(bytes.Clone(whole), 0)); !errors.Is(err, ErrStale) {
		t.Errorf("a byte more: %v, want %v", err, ErrStale)
	}
	var other bytes.Buffer
	other.WriteString(strings.Replace(string(whole), "index 1\n", "index 2\n", 1))
	seal(other.Bytes())
	if _, err := Decode(other.Bytes()); !errors.Is(err, ErrStale) {
		t.Errorf("another version: %v, want %v", err, ErrStale)
	}
}

// seal computes the checksum of an index file.
func seal(b []byte) {
	end := len(b) - 4
	binary.NativeEndian.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
}

// Even a file with the right checksum is used only if its numbers make sense. Each of these would be a panic or a walk
// without end.
func TestSavedInconsistent(t *testing.T) {
	for name, change := range map[string]func(c *columns){
		"no end":                          func(c *columns) { c.header = c.header[:len(c.header)-1] },
		"an entry that ends early":        func(c *columns) { c.size[0] = 1 << 20 },
		"an entry that ends before":       func(c *columns) { c.header[1], c.header[2] = c.header[2], c.header[1] },
		"an entry without end":            func(c *columns) { c.size[0] = 1<<64 - 1 },
		"headers over the end":            func(c *columns) { c.blocks[1] = 9 },
		"an end beyond all numbers":       func(c *columns) { c.header[len(c.header)-1] = 1 << 63 },
		"fewer times":                     func(c *columns) { c.mtime = c.mtime[1:] },
		"fewer modes":                     func(c *columns) { c.mode = nil },
		"an extension that is not there":  func(c *columns) { c.ext[0] = 99 },
		"an extension's text cut":         func(c *columns) { c.extText = c.extText[:1] },
		"extensions' ends out of order":   func(c *columns) { c.extEnd[0] = 99 },
		"a sample of another's member":    func(c *columns) { c.first[0] = 1 },
		"a sample that begins before":     func(c *columns) { c.first[1] = 0 },
		"a sample behind the end":         func(c *columns) { c.first[len(c.first)-1] = 99 },
		"a sample without directory":      func(c *columns) { c.dir[0] = none },
		"a sample in no directory":        func(c *columns) { c.dir[0] = 99 },
		"a directory of no sample":        func(c *columns) { c.sample[1] = 99 },
		"a directory that is its parent":  func(c *columns) { c.parent[1] = 1 },
		"a child before its parent":       func(c *columns) { c.child[1] = 0 },
		"a child of another":              func(c *columns) { c.child[2] = 3; c.parent[3] = 0 },
		"a child that is not there":       func(c *columns) { c.child[0] = 99 },
		"a sibling that is itself":        func(c *columns) { c.sibling[1] = 1 },
		"a sibling that is not there":     func(c *columns) { c.sibling[1] = 99 },
		"no directory":                    func(c *columns) { c.parent, c.nameEnd, c.sample, c.child, c.sibling = nil, nil, nil, nil, nil },
		"names cut":                       func(c *columns) { c.names = c.names[:3] },
		"a hash table without a gap":      func(c *columns) { clear(c.table) },
		"a hash table of an odd length":   func(c *columns) { c.table = c.table[1:] },
		"a hash table of nothing":         func(c *columns) { c.table = nil },
		"a hash table to nowhere":         func(c *columns) { c.table[0] = 99 },
		"others without name":             func(c *columns) { c.otherEnd = nil },
		"others' names cut":               func(c *columns) { c.otherText = nil },
		"keys cut":                        func(c *columns) { c.keyText = c.keyText[:10] },
		"fewer keys than are said to be":  func(c *columns) { c.keyEnd = c.keyEnd[1:] },
		"repeated members without number": func(c *columns) { c.againNth = nil },
	} {
		f := savedOf(t)
		change(&f.Index.c)
		if x, err := Decode(encode(t, f)); !errors.Is(err, ErrStale) {
			t.Errorf("%s: %v, %v, want %v", name, x, err, ErrStale)
		}
	}
}

// The same for the checkpoints, which are columns in the file only.
func TestSavedCheckpointsInconsistent(t *testing.T) {
	whole := encode(t, savedOf(t))
	for name, change := range map[string]func(b []byte){
		"a window behind the end":    func(b []byte) { binary.NativeEndian.PutUint64(sectionIn(b, 4)[16:], 1<<40) },
		"a window that ends before":  func(b []byte) { binary.NativeEndian.PutUint64(sectionIn(b, 4)[8:], 99) },
		"fewer offsets":              func(b []byte) { shorten(b, 2) },
		"fewer bits":                 func(b []byte) { shorten(b, 3) },
		"fewer windows":              func(b []byte) { shorten(b, 4) },
		"a section of half a number": func(b []byte) { b[headSize+1*sectionSize+8]-- },
	} {
		b := bytes.Clone(whole)
		change(b)
		seal(b)
		if x, err := Decode(b); !errors.Is(err, ErrStale) {
			t.Errorf("%s: %v, %v, want %v", name, x, err, ErrStale)
		}
	}
}

// sectionIn returns a section of an index file.
func sectionIn(b []byte, i int) []byte {
	row := b[headSize+i*sectionSize:]
	return b[binary.NativeEndian.Uint64(row):][:binary.NativeEndian.Uint64(row[8:])]
}

// shorten makes a section say that it is empty.
func shorten(b []byte, i int) {
	binary.NativeEndian.PutUint64(b[headSize+i*sectionSize+8:], 0)
}

// FuzzDecode gives Decode any bytes. What it accepts can be used.
func FuzzDecode(f *testing.F) {
	whole := encode(f, savedOf(f))
	f.Add(whole, false)
	f.Add(whole, true)
	f.Add(encode(f, &Saved{Index: indexOf(f)}), true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		b = bytes.Clone(b)
		if sealed && len(b) > 4 {
			seal(b)
		}
		x, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrStale) {
				t.Fatal(err)
			}
			return
		}
		describe(x.Index)
	})
}
