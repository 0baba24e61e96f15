package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/codec"
)

// fileOf returns an index with something in every column, as it is put into a file.
func fileOf(t testing.TB) *File {
	var b Builder
	for i, name := range []string{"a.x", "README", "a.x", "a/sample.x/b.y", "a.z", strings.Repeat("k", 300) + ".x"} {
		e := Entry{
			Name: []byte(name), Header: int64(i) * 2048, Data: int64(i)*2048 + 512, Size: 7,
			End: int64(i+1) * 2048, Mode: 0o644,
			ModTime: time.Unix(int64(i), 0), Regular: name != "README",
		}
		if i == 2 {
			e.Size, e.Sparse = 1<<40, []Extent{{512, 512}, {1 << 39, 100}}
		}
		if err := b.Add(&e); err != nil {
			t.Fatal(err)
		}
	}
	return &File{
		Origin:   Origin{Size: 1 << 40, Version: "file:-5:18446744073709551615", Probe: "123"},
		Format:   codec.Gzip,
		Trailing: 7,
		Cut:      "a reason",
		Map: codec.Map{Plain: 1 << 41, Piece: 1 << 15, Points: pointList{
			{Out: 0, In: 0, Member: true, Sums: []uint32{1, 2, 3}},
			{Out: 1 << 33, In: 1 << 32, State: 7, Window: []byte("window"), Sums: []uint32{1 << 31}},
			{Out: 1 << 34, In: 1 << 33, State: 0, Window: []byte("another")},
		}},
		Index: b.Finish(6 * 2048),
	}
}

// pointList are checkpoints in memory.
type pointList []codec.Checkpoint

func (p pointList) Len() int                  { return len(p) }
func (p pointList) At(i int) codec.Checkpoint { return p[i] }
func (p pointList) Out(i int) int64           { return p[i].Out }

// encode returns the bytes of an index file.
func encode(t testing.TB, f *File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// decode decodes an index file that cannot be rebuilt.
func decode(b []byte) (*File, error) {
	return Decode(b, func() (*File, error) { return nil, errors.New("no shard") })
}

// checkSaved checks that an index is the same after it was in a file.
func checkSaved(t testing.TB, f *File) {
	t.Helper()
	got, err := decode(encode(t, f))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describeFile(got), describeFile(f); !reflect.DeepEqual(got, want) {
		t.Error(difference(got, want))
	}
	if err := got.Index.Err(); err != nil {
		t.Error(err)
	}
}

// describeFile returns a description of an index file.
func describeFile(f *File) []any {
	list := append(describe(f.Index), f.Origin, f.Format, f.Trailing, f.Cut, f.Map.Plain, f.Map.Piece)
	if f.Map.Points != nil {
		for i := range f.Map.Points.Len() {
			list = append(list, fmt.Sprintf("%+v", f.Map.Points.At(i)))
		}
	}
	return list
}

// difference returns where two descriptions begin to differ.
func difference(got, want []any) string {
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			return fmt.Sprintf("%d of what it says is %.200v, want %.200v", i, got[i], want[i])
		}
	}
	return fmt.Sprintf("it says %d things, want %d", len(got), len(want))
}

// describe calls every method of an index and returns their results.
func describe(x *Index) []any {
	list := []any{x.Samples(), x.Rows(), x.Outside(), x.End(), x.Dirs(), fmt.Sprint(x.Extensions())}
	for row := range x.Rows() {
		data, size := x.Content(row)
		list = append(list, x.Member(row), x.Offset(row), data, size, x.ModTime(row), x.InSample(row),
			x.OutsideName(row))
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

func TestFile(t *testing.T) {
	checkSaved(t, fileOf(t))
	checkSaved(t, &File{Index: indexOf(t)})
	checkSaved(t, &File{Index: build(t, cutTar(t))})
}

// An index file has the same bytes as in earlier versions, so that old and new versions can read each other's files. A
// change that an older version would misread needs a new format version.
func TestFileBytes(t *testing.T) {
	f := fileOf(t)
	f.Index.Canonicalize()
	const want = "266bc4296d87ab9858b88050e7f79cdf9d50fd064a199f0b9de97f1fbc5d374d"
	if got := fmt.Sprintf("%x", sha256.Sum256(encode(t, f))); got != want {
		t.Errorf("the file has the digest %s, want %s", got, want)
	}
}

// If any byte of a file is changed or missing, the file is refused, or the index is rebuilt.
func TestFileDamaged(t *testing.T) {
	t.Parallel()
	f := fileOf(t)
	whole, want := encode(t, f), describeFile(f)
	refused, repaired := 0, 0
	for at := range whole {
		for _, change := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(whole)
			b[at] ^= change
			calls := 0
			got, err := Decode(b, func() (*File, error) {
				calls++
				return fileOf(t), nil
			})
			if errors.Is(err, ErrStale) {
				refused++
				continue
			}
			if err != nil {
				t.Fatalf("byte %d changed: %v, want %v", at, err, ErrStale)
			}
			if now := describeFile(got); !reflect.DeepEqual(now, want) || got.Index.Err() != nil {
				t.Fatalf("byte %d changed: %s; %v", at, difference(now, want), got.Index.Err())
			}
			if calls > 1 {
				t.Errorf("byte %d changed: rebuilt %d times", at, calls)
			}
			repaired += calls
		}
		if _, err := decode(bytes.Clone(whole[:at])); !errors.Is(err, ErrStale) {
			t.Fatalf("cut at byte %d: %v, want %v", at, err, ErrStale)
		}
	}
	if refused < 500 || repaired < 500 {
		t.Errorf("%d files refused, %d rebuilt: the test proves nothing", refused, repaired)
	}
	if _, err := decode(append(bytes.Clone(whole), 0)); !errors.Is(err, ErrStale) {
		t.Errorf("a byte more: %v, want %v", err, ErrStale)
	}
	other := []byte(strings.ReplaceAll(string(whole), "index 2\n", "index 1\n"))
	if _, err := decode(other); !errors.Is(err, ErrStale) {
		t.Errorf("another version: %v, want %v", err, ErrStale)
	}
}

// A damaged file that cannot be rebuilt gives an error and does no harm.
func TestFileDamagedForGood(t *testing.T) {
	t.Parallel()
	whole := encode(t, fileOf(t))
	for at := range whole {
		b := bytes.Clone(whole)
		b[at] ^= 0xff
		got, err := decode(b)
		if err != nil {
			continue
		}
		describeFile(got)
		if b[at] != 0xff && !errors.Is(got.Index.Err(), ErrStale) { // a byte of padding may be in no column
			t.Errorf("byte %d changed: %v, want %v", at, got.Index.Err(), ErrStale)
		}
	}
}

// seal computes the checksums of an index file that was changed.
func seal(b []byte) {
	if len(b) < tailSize {
		return
	}
	tail := b[len(b)-tailSize:]
	meta, sums, end := binary.LittleEndian.Uint64(tail), binary.LittleEndian.Uint64(tail[16:]), uint64(len(b)-tailSize)
	if meta > sums || sums > end {
		return
	}
	for at := uint64(0); at < meta && sums+4 <= end; at += pageSize {
		binary.LittleEndian.PutUint32(b[sums:], crc32.Checksum(b[at:min(at+pageSize, meta)], castagnoli))
		sums += 4
	}
	binary.LittleEndian.PutUint32(tail[4*8:], crc32.Checksum(b[meta:len(b)-len(fileMagic)-4], castagnoli))
}

// Even a file with right checksums is not trusted: whatever its numbers, all reads stay inside it and all walks end.
func TestFileFalse(t *testing.T) {
	t.Parallel()
	whole := encode(t, fileOf(t))
	end := binary.LittleEndian.Uint64(whole[len(whole)-tailSize:])
	found := 0
	for at := range end {
		for _, change := range []byte{1, 4, 0x80, 0xff} {
			b := bytes.Clone(whole)
			b[at] ^= change
			seal(b)
			if f, err := decode(b); err == nil {
				describeFile(f)
				if f.Index.Err() != nil {
					found++
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("%d files found false: the test proves nothing", found)
	}
}

// FuzzDecode decodes arbitrary bytes. An accepted file can be used without harm.
func FuzzDecode(f *testing.F) {
	whole := encode(f, fileOf(f))
	f.Add(whole, false)
	f.Add(whole, true)
	f.Add(encode(f, &File{Index: indexOf(f)}), true)
	f.Add(encode(f, &File{Index: farIndex(f)}), true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		b = bytes.Clone(b)
		if sealed {
			seal(b)
		}
		x, err := decode(b)
		if err != nil {
			if !errors.Is(err, ErrStale) {
				t.Fatal(err)
			}
			return
		}
		describeFile(x)
	})
}

// Extents with a negative row are ignored.
func TestFalseExtents(t *testing.T) {
	plain := makeTar(t, "a.x", "b.x", "c.x")
	x := build(t, plain)
	for row, end := range []uint64{1<<63 + 5, 0} {
		x.c.sparseRow.append(uint64(row))
		x.c.sparseEnd.append(end)
	}
	x.c.sparseRow.seal()
	x.c.sparseEnd.seal()
	var out bytes.Buffer
	if err := (&File{Index: x}).Write(&out); err != nil {
		t.Fatal(err)
	}
	f, err := Decode(out.Bytes(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Index.Open(1, bytes.NewReader(plain)); !errors.Is(err, ErrStale) {
		t.Errorf("a member with false extents: %v", err)
	}
}

// An index file with right checksums whose rows go back, so that the same sums or members would be read repeatedly, is
// refused.
func TestVerify(t *testing.T) {
	for story, change := range map[string]func(x *Index, p *checkpoints){
		"as it was": func(*Index, *checkpoints) {},
		"sums":      func(_ *Index, p *checkpoints) { p.sumEnd = columnOf(0, 3, 0, 3) },
		"samples":   func(x *Index, _ *checkpoints) { x.c.first = columnOf(0, 2, 0) },
		"names":     func(x *Index, _ *checkpoints) { x.c.names.ends = columnOf(0, 3, 0, 3) },
	} {
		x, p := build(t, makeTar(t, "a.x", "b.x", "c.x")), new(checkpoints)
		p.out, p.in = columnOf(0, 1, 2, 3), columnOf(0, 1, 2, 3)
		p.start, p.windows.ends = columnOf(8, 8, 8, 8), columnOf(0, 0, 0, 0)
		p.sums, p.sumEnd = columnOf(7, 7, 7), columnOf(0, 1, 2, 3)
		change(x, p)
		var out bytes.Buffer
		if err := (&File{Index: x, Map: codec.Map{Points: p}}).Write(&out); err != nil {
			t.Fatal(err)
		}
		f, err := Decode(out.Bytes(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := f.Verify() == nil, story == "as it was"; got != want {
			t.Errorf("%s: verified: %v", story, got)
		}
	}
}

func columnOf(values ...uint64) (c column) {
	for _, v := range values {
		c.append(v)
	}
	c.seal()
	return c
}
