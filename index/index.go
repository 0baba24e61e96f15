package index

import (
	"slices"
	"strings"
	"time"
)

// Index says where the members of a shard lie and how its samples are shown.
type Index struct {
	c columns
}

// Member is one entry of the tar. Offsets and sizes are in bytes of the plain shard.
type Member struct {
	Row    int    // position among all entries of the tar, from 0
	Ext    string // extension; meaningless unless InSample
	Header int64  // where its first header starts
	Data   int64  // where its content starts
	Size   int64  // of the content
	End    int64  // where the next member starts

	ModTime  time.Time
	Mode     uint16 // permission bits
	InSample bool   // false for what belongs to no sample: directories, links, names without extension and the like
}

// Sample is a run of members with one key.
type Sample struct {
	Number int    // position in the shard, from 0
	Key    string // true key, whatever the path
	Path   string // of its directory in the view, slash-separated
	// Rows start..end-1 of the tar are the sample's members and what lies between them; what lies between one sample and
	// the next is in neither.
	Start, End int
}

// Samples returns the number of samples.
func (x *Index) Samples() int { return len(x.c.first) }

// Rows returns the number of entries of the tar, those outside samples included.
func (x *Index) Rows() int { return len(x.c.size) }

// Others returns the number of entries that belong to no sample.
func (x *Index) Others() int { return len(x.c.otherRow) }

// End returns where the tar's end marker starts.
func (x *Index) End() int64 { return int64(x.c.header[x.Rows()]) }

// Offset returns where the headers of a row start; that of the row after the last is the end marker's offset.
func (x *Index) Offset(row int) int64 { return int64(x.c.header[row]) }

// Member returns the entry in a row.
func (x *Index) Member(row int) Member {
	c := &x.c
	m := Member{
		Row:     row,
		Header:  int64(c.header[row]),
		Size:    int64(c.size[row]),
		End:     int64(c.header[row+1]),
		ModTime: time.Unix(0, c.mtime[row]),
		Mode:    c.mode[row],
	}
	m.Data = m.Header + int64(c.blocks[row])*BlockSize
	if id := c.ext[row]; id != none {
		m.InSample = true
		m.Ext = string(text(c.extText, c.extEnd, int(id)))
	}
	return m
}

// Content returns where the content of the entry in a row starts, and its size.
func (x *Index) Content(row int) (data, size int64) {
	return int64(x.c.header[row]) + int64(x.c.blocks[row])*BlockSize, int64(x.c.size[row])
}

// ModTime returns the modification time of the entry in a row.
func (x *Index) ModTime(row int) time.Time { return time.Unix(0, x.c.mtime[row]) }

// InSample reports whether the entry in a row is a member of a sample.
func (x *Index) InSample(row int) bool { return x.c.ext[row] != none }

// OtherName returns the name of an entry that belongs to no sample.
func (x *Index) OtherName(row int) string {
	if i, ok := slices.BinarySearch(x.c.otherRow, uint32(row)); ok {
		return string(text(x.c.otherText, x.c.otherEnd, i))
	}
	return ""
}

// Sample returns the sample with this number.
func (x *Index) Sample(number int) Sample {
	start, end := x.sampleRows(number)
	path := x.Path(Dir(x.c.dir[number]))
	key := path
	if i, ok := slices.BinarySearch(x.c.keyRow, uint32(number)); ok {
		key = string(text(x.c.keyText, x.c.keyEnd, i))
	}
	return Sample{Number: number, Key: key, Path: path, Start: start, End: end}
}

// Key returns the key of the sample with this number.
func (x *Index) Key(number int) string { return x.Sample(number).Key }

// sampleRows returns the rows from the first to behind the last member of a sample.
func (x *Index) sampleRows(number int) (start, end int) {
	start = int(x.c.first[number])
	end = x.Rows()
	if number+1 < len(x.c.first) {
		end = int(x.c.first[number+1])
	}
	for x.c.ext[end-1] == none {
		end--
	}
	return start, end
}

// Extensions returns how many members have each extension.
func (x *Index) Extensions() map[string]int {
	counts := make([]int, len(x.c.extEnd))
	for _, id := range x.c.ext {
		if id != none {
			counts[id]++
		}
	}
	byName := make(map[string]int, len(counts))
	for id, n := range counts {
		if n > 0 {
			byName[string(text(x.c.extText, x.c.extEnd, id))] = n
		}
	}
	return byName
}

// Dir is a directory of the view, by its row. Rows are numbered from 0, the root, in order of first appearance.
type Dir uint32

// Root is the directory that holds everything.
const Root Dir = 0

// Dirs returns the number of directories, the root included.
func (x *Index) Dirs() int { return len(x.c.parent) }

// Parent returns the directory that holds d, which is not the root.
func (x *Index) Parent(d Dir) Dir { return Dir(x.c.parent[d]) }

// Name returns the name of d in its parent.
func (x *Index) Name(d Dir) string { return string(text(x.c.names, x.c.nameEnd, int(d))) }

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
	row, ok := lookup(&x.c, uint32(d), name)
	return Dir(row), ok
}

// FirstChild returns the first directory in d.
func (x *Index) FirstChild(d Dir) (Dir, bool) { return Dir(x.c.child[d]), x.c.child[d] != none }

// Sibling returns the directory that follows d in its parent.
func (x *Index) Sibling(d Dir) (Dir, bool) { return Dir(x.c.sibling[d]), x.c.sibling[d] != none }

// SampleIn returns the number of the sample that d shows; a directory that only leads to others shows none.
func (x *Index) SampleIn(d Dir) (number int, ok bool) {
	return int(x.c.sample[d]), x.c.sample[d] != none
}

// DirOf returns the directory that shows a sample.
func (x *Index) DirOf(number int) Dir { return Dir(x.c.dir[number]) }

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
	if d, ok := x.Find(EscapeKey(key)); ok {
		if number, ok := x.SampleIn(d); ok && x.Key(number) == key {
			return number, true
		}
	}
	for i, number := range x.c.keyRow {
		if string(text(x.c.keyText, x.c.keyEnd, i)) == key {
			return int(number), true
		}
	}
	return 0, false
}

// SampleOfRow returns the number of the sample that a row is a member of.
func (x *Index) SampleOfRow(row int) int {
	i, ok := slices.BinarySearch(x.c.first, uint32(row))
	if !ok {
		i--
	}
	return i
}

// nth returns which of the members with its extension in its sample a row is, from 1.
func (x *Index) nth(row int) int {
	if i, ok := slices.BinarySearch(x.c.againRow, uint32(row)); ok {
		return int(x.c.againNth[i])
	}
	return 1
}

// FileName returns the name of a sample's member in its directory.
func (x *Index) FileName(row int) string {
	return memberFile(string(text(x.c.extText, x.c.extEnd, int(x.c.ext[row]))), x.nth(row))
}

// FindFile returns the row of the member that a file in the directory of a sample shows.
func (x *Index) FindFile(number int, name string) (row int, ok bool) {
	if !strings.HasPrefix(name, memberPrefix) {
		return 0, false
	}
	start, end := x.sampleRows(number)
	for row := start; row < end; row++ {
		if x.InSample(row) && x.FileName(row) == name {
			return row, true
		}
	}
	return 0, false
}
