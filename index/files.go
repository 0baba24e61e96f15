package index

import (
	"strings"
	"sync"
)

// files finds the members of large samples by their file names: without it, looking up all files of a sample one after
// the other, as a listing with attributes does, would take a time that grows with the square of their number.
type files struct {
	mu     sync.Mutex
	tables map[int]map[string]int // for each sample: rows by file name
	names  int                    // in all tables
}

const (
	manyRows = 256     // samples with fewer rows are searched
	maxNames = 1 << 17 // in all tables, some 12 MB; with more they are made again
)

// FindFile returns the row of the member that is shown under a file name in the directory of a sample. It returns false
// for any other name, and for KeyFile and SourceFile.
func (x *Index) FindFile(number int, name string) (row int, ok bool) {
	if !strings.HasPrefix(name, memberPrefix) {
		return 0, false
	}
	start, end := x.SampleRows(number)
	if end-start >= manyRows {
		row, ok = x.files.table(x, number, start, end)[name]
		return row, ok
	}
	for row := start; row < end; row++ {
		if x.InSample(row) && x.FileName(row) == name {
			return row, true
		}
	}
	return 0, false
}

// table returns the rows of a sample by file name. The map does not change.
func (f *files) table(x *Index, number, start, end int) map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.tables[number]; t != nil {
		return t
	}
	t := make(map[string]int, end-start)
	for row := start; row < end; row++ {
		if x.InSample(row) {
			t[x.FileName(row)] = row
		}
	}
	if f.names += len(t); f.tables == nil || f.names > maxNames {
		f.tables, f.names = make(map[int]map[string]int), len(t)
	}
	f.tables[number] = t
	return t
}
