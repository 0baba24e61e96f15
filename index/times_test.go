package index

import (
	"bytes"
	"math"
	"testing"
	"time"
)

// farTimesTable has times of all ranges.
func farTimesTable() []time.Time {
	return []time.Time{
		time.Unix(0, 0), time.Unix(-1, 5), time.Unix(0, math.MaxInt64), time.Unix(0, math.MinInt64),
		time.Unix(9223372036, 999_999_999), time.Unix(-9223372037, 0), time.Unix(1<<33, 0), time.Unix(-1<<33, 1),
		time.Unix(16_734_643_200, 0), time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0),
		time.Unix(-62135596800, 0),
	}
}

// farIndex returns an index with a member of each time.
func farIndex(t testing.TB) *Index {
	var b Builder
	for i, mtime := range farTimesTable() {
		at := int64(i) * BlockSize
		data := at + BlockSize
		e := Entry{Name: []byte("a.x"), Header: at, Data: data, End: data, ModTime: mtime, Regular: true}
		if err := b.Add(&e); err != nil {
			t.Fatal(err)
		}
	}
	return b.Finish(int64(len(farTimesTable())) * BlockSize)
}

// Times of every year are kept exactly, in memory and in an index file, and cost an index without such times nothing.
func TestTimes(t *testing.T) {
	f := &File{Index: farIndex(t)}
	read, err := decode(encode(t, f))
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Verify(); err != nil {
		t.Error(err)
	}
	for i, want := range farTimesTable() {
		for _, x := range []*Index{f.Index, read.Index} {
			if got := x.ModTime(i); !got.Equal(want) || got.Unix() != want.Unix() {
				t.Errorf("%v, want %v", got, want)
			}
		}
	}
}

// An index without far times has the columns that older programs know.
func TestTimesNear(t *testing.T) {
	x := indexOf(t, "a.x", "b.x")
	p := &checkpoints{}
	set := newColumnSet(x, p).withoutFar()
	want := len(x.c.numbers()) + len(p.numbers()) + len(x.c.texts()) + 1
	parts, err := splitFile(encode(t, &File{Index: x}))
	if err != nil || len(parts.sections) != want*sectionSize || len(set.numbers)+len(set.texts) != want {
		t.Errorf("%d bytes of sections, %d columns of numbers, %v; want %d columns",
			len(parts.sections), len(set.numbers), err, want)
	}
}

// Times after a place where a tar is cut are dropped with their members.
func TestTimesCut(t *testing.T) {
	far := func(b block) { copy(b.mtime(), "174533114600") }
	plain := bytes.Join([][]byte{
		rawMember(typeRegular, "a.x", "1", far), rawMember(typeRegular, "b.x", "1"),
		rawMember(typeRegular, "c.x", "1", far), rawMember(typeRegular, "c.y", "1", far),
	}, nil)
	x, err := Build(bytes.NewReader(plain), BuildOptions{})
	if err == nil || x.Rows() != 2 || x.c.far.row.n != 1 || x.ModTime(0).Year() != 2500 {
		t.Errorf("%v: %d rows, %d of them far, %v", err, x.Rows(), x.c.far.row.n, x.ModTime(0))
	}
}
