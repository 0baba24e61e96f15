package index

import (
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// Index has the places of a shard's members and the names under which its samples are shown. It is immutable and safe
// for concurrent use, except that the Index of a [Growing] changes until it is whole.
type Index struct {
	c      columns
	seed   uint64 // of the hash table
	closed int    // all samples before this row are complete; the number of rows, unless the index is still being built
	pages  *pages // of the index file with the columns; nil for an index that was built
	files  files  // of large samples
	order  *Order // if the index file has it

	tabled sync.Once // see needTable
}

// Member is one entry of the tar. Offsets and sizes are in bytes, offsets in the plain shard.
type Member struct {
	Row    int    // number of the entry in the tar, from 0
	Ext    string // extension; meaningless unless InSample
	Header int64  // where its first header starts
	Data   int64  // where its content starts
	Size   int64  // of the content, including holes
	End    int64  // where the next member starts

	ModTime  time.Time
	Mode     uint16 // permission bits
	InSample bool   // false for an entry outside samples, such as a directory, a link or a name without extension
}

// Sample is a run of members with one key.
type Sample struct {
	Number int    // number of the sample in the shard, from 0
	Key    string // as in the members' names, even if Path differs
	Path   string // path of its directory in the view, slash-separated
	// Rows Start to End-1 of the tar are the sample's members and the entries outside samples between them. Entries
	// between one sample and the next belong to neither range.
	Start, End int
}

// Err returns an error that wraps ErrStale once a method has found that the index file is damaged beyond repair,
// contradicts itself or does not fit the shard. Results since then may be wrong. For an index that was built it returns
// nil.
func (x *Index) Err() error { return x.pages.err() }

// Samples returns the number of samples.
func (x *Index) Samples() int { return x.c.first.n }

// Rows returns the number of entries of the tar, including those outside samples.
func (x *Index) Rows() int { return x.c.rows() }

// Outside returns the number of entries outside samples.
func (x *Index) Outside() int { return x.c.outsideRow.n }

// End returns where the tar's end marker starts.
func (x *Index) End() int64 { return x.Offset(x.Rows()) }

// Offset returns where the headers of a row start; for the row after the last, where the end marker starts.
func (x *Index) Offset(row int) int64 { return int64(x.c.header.get(row)) }

// RowAt returns the entry whose headers or content, with its padding, are at a place of the plain shard: the last row
// that starts at or before it. For a place in or after the end marker it returns Rows.
func (x *Index) RowAt(off int64) int { return max(x.c.header.search(uint64(max(off, 0))+1)-1, 0) }

// Member returns the entry in a row.
func (x *Index) Member(row int) Member {
	c := &x.c
	m := Member{
		Row:      row,
		Header:   x.Offset(row),
		End:      x.Offset(row + 1),
		ModTime:  x.ModTime(row),
		Mode:     uint16(c.mode.get(row)),
		InSample: x.InSample(row),
	}
	m.Data, m.Size = x.Content(row)
	if m.InSample {
		m.Ext = string(x.ext(row))
	}
	return m
}

// ext returns the extension of a sample's member.
func (x *Index) ext(row int) []byte { return x.c.exts.get(int(x.c.ext.get(row)) - 1) }

// Content returns where the content of the entry in a row starts, and its size including holes. Holes are not stored,
// so content with holes must be read through Open.
func (x *Index) Content(row int) (data, size int64) {
	return x.Offset(row) + int64(x.c.blocks.get(row))*BlockSize, int64(x.c.size.get(row))
}

// InSample reports whether the entry in a row is a member of a sample.
func (x *Index) InSample(row int) bool { return x.c.ext.get(row) != 0 }

// OutsideName returns the name of an entry outside samples, as the tar has it; "" for a member of a sample.
func (x *Index) OutsideName(row int) string {
	if i, ok := x.c.outsideRow.find(uint64(row)); ok {
		return string(x.c.outside.get(i))
	}
	return ""
}

// Sample returns the sample with this number, which is less than Samples.
func (x *Index) Sample(number int) Sample {
	start, end := x.SampleRows(number)
	path := x.Path(x.DirOf(number))
	key, ok := x.explicitKey(number)
	if !ok {
		key = path
	}
	return Sample{Number: number, Key: key, Path: path, Start: start, End: end}
}

// Key returns the key of the sample with this number.
func (x *Index) Key(number int) string {
	if key, ok := x.explicitKey(number); ok {
		return key
	}
	return x.Path(x.DirOf(number))
}

// Keys yields the keys of all samples, in their order.
func (x *Index) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for number := range x.Samples() {
			if !yield(x.Key(number)) {
				return
			}
		}
	}
}

// explicitKey returns the key of a sample whose key is stored, because its path differs.
func (x *Index) explicitKey(number int) (key string, ok bool) {
	i, ok := x.c.keyRow.find(uint64(number))
	if ok {
		key = string(x.c.keys.get(i))
	}
	return key, ok
}

// SampleRows returns Start and End of a sample: the row of its first member, and the row after its last member.
func (x *Index) SampleRows(number int) (start, end int) {
	start, end = int(x.c.first.get(number)), x.closed
	if number+1 < x.c.first.n {
		end = int(x.c.first.get(number + 1))
	}
	if start < 0 || start >= end || end > x.Rows() {
		x.pages.corrupt()
		return 0, 0
	}
	for end > start+1 && !x.InSample(end-1) {
		end--
	}
	return start, end
}

// Extensions returns how many members of samples have each extension.
func (x *Index) Extensions() map[string]int {
	counts := make([]int, x.c.exts.ends.n+1)
	for row := range x.Rows() {
		if id := x.c.ext.get(row); id < uint64(len(counts)) {
			counts[id]++
		}
	}
	byName := make(map[string]int, len(counts))
	for id, n := range counts {
		if id > 0 && n > 0 {
			byName[string(x.c.exts.get(id-1))] = n
		}
	}
	return byName
}

// Dir is a directory of the view, by its row. Rows are numbered from 0, the root, in order of first appearance.
type Dir uint32

// Root is the root directory.
const Root Dir = 0

// Dirs returns the number of directories, including the root.
func (x *Index) Dirs() int { return x.c.parent.n }

// Parent returns the parent of d, which must not be the root.
func (x *Index) Parent(d Dir) Dir { return Dir(x.rowBefore(x.c.parent.get(int(d)), d)) }

// rowBefore returns row if it comes before that of d, as every parent does, so that every walk up ends. Otherwise the
// index file is corrupt, and the result is the root.
func (x *Index) rowBefore(row uint64, d Dir) uint64 {
	if row >= uint64(d) {
		return x.pages.corrupt()
	}
	return row
}

// Name returns the name of d in its parent.
func (x *Index) Name(d Dir) string { return string(x.c.names.get(int(d))) }

// Path returns the names from the root to d, joined by slashes.
func (x *Index) Path(d Dir) string {
	if d == Root || x.Parent(d) == Root {
		return x.Name(d)
	}
	var names []string
	for ; d != Root; d = x.Parent(d) {
		names = append(names, x.Name(d))
	}
	slices.Reverse(names)
	return strings.Join(names, "/")
}

// Child returns the directory of that name in d.
func (x *Index) Child(d Dir, name string) (Dir, bool) {
	row, ok := lookup(x, uint64(d), name)
	return Dir(row), ok
}

// FirstChild returns the first directory in d.
func (x *Index) FirstChild(d Dir) (Dir, bool) {
	return x.nextSibling(x.c.child.get(int(d)), d, uint64(d))
}

// Sibling returns the directory that follows d in its parent.
func (x *Index) Sibling(d Dir) (Dir, bool) {
	return x.nextSibling(x.c.sibling.get(int(d)), d, x.c.parent.get(int(d)))
}

// nextSibling returns the directory in a row, which must come after that of d and have the same parent, so that every
// walk ends; false for row 0. Otherwise the index file is corrupt, and there is no sibling.
func (x *Index) nextSibling(row uint64, d Dir, parent uint64) (Dir, bool) {
	if row != 0 && (row <= uint64(d) || row >= uint64(x.Dirs()) || x.c.parent.get(int(row)) != parent) {
		row = x.pages.corrupt()
	}
	return Dir(row), row != 0
}

// SampleIn returns the number of the sample that d shows; false if d has only subdirectories.
func (x *Index) SampleIn(d Dir) (number int, ok bool) {
	n := x.c.sample.get(int(d))
	if n > uint64(x.Samples()) {
		n = x.pages.corrupt()
	}
	return int(n) - 1, n != 0
}

// DirOf returns the directory that shows a sample.
func (x *Index) DirOf(number int) Dir { return Dir(x.c.dir.get(number)) }

// Find returns the directory at a slash-separated path of the view.
func (x *Index) Find(path string) (Dir, bool) {
	d := Root
	for path != "" {
		name, rest, _ := strings.Cut(path, "/")
		next, ok := x.Child(d, name)
		if !ok {
			return 0, false
		}
		d, path = next, rest
	}
	return d, true
}

// FindKey returns the first sample with this key.
func (x *Index) FindKey(key string) (number int, ok bool) {
	d, ok := x.Find(escapeKey(key))
	if !ok {
		return 0, false
	}
	if number, ok = x.SampleIn(d); !ok || x.Key(number) == key {
		return number, ok
	}
	// The sample at this path has another key. If there is one with this key, its path differs, so its key is stored.
	for i := range x.c.keyRow.n {
		if string(x.c.keys.get(i)) == key {
			return int(x.c.keyRow.get(i)), true
		}
	}
	return 0, false
}

// SampleOfRow returns the number of the sample of the member in a row.
func (x *Index) SampleOfRow(row int) int { return x.c.first.search(uint64(row)+1) - 1 }

// nth returns the number of a member among the members of its sample with the same extension, from 1.
func (x *Index) nth(row int) int {
	if i, ok := x.c.dupRow.find(uint64(row)); ok {
		return int(x.c.dupOrdinal.get(i))
	}
	return 1
}

// FileName returns the name of a sample's member in its directory.
func (x *Index) FileName(row int) string { return memberFile(string(x.ext(row)), x.nth(row)) }
