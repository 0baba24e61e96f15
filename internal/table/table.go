// Package table adds the columns of a table to samples: each column of the row with a sample's key becomes a member whose
// extension is the column's name.
//
// A table is a file of comma-separated values, of tab-separated values, or of JSON objects, one a line. It is read once to
// be indexed, which takes 24 bytes of memory a row; its text stays in the file, and a row is read again when the turn of
// its sample comes. So a table of any size can be joined to samples in any order.
package table

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/shardfs/shardfs/index"
)

// Errors about tables.
var (
	ErrFormat = errors.New("not a table")
	ErrColumn = errors.New("no such column")
	ErrTwice  = errors.New("two rows for one sample")
	ErrNoKey  = errors.New("no row is for any of the samples")
)

// Table is an open table. It is not safe for concurrent use.
type Table struct {
	Name  string // for messages
	Alone int    // number of samples, so far, that have no row

	file    *os.File
	info    os.FileInfo
	format  format
	key     string   // column of the keys
	columns []string // of a format with a header
	seed    maphash.Seed
	rows    []row // by hash
	matched int   // rows that are used
}

// row is the place of a row in the file.
type row struct {
	hash   uint64 // of its key
	offset int64
	used   bool // a sample has had it
}

// Open opens and indexes a table. Its format is that of the suffix of its name: .csv, .tsv or .jsonl. The column named key
// has the key of each row's sample, or the name of one of its files. Errors wrap ErrFormat, ErrColumn or ErrTwice, or are
// those of reading.
func Open(name, key string) (*Table, error) {
	t := &Table{Name: name, key: key, seed: maphash.MakeSeed()}
	var err error
	if t.format, err = formatOf(name); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if t.file, err = os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil { // a FIFO is refused below
		return nil, err
	}
	if err := t.index(); err != nil {
		t.Close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return t, nil
}

// File describes the table's file.
func (t *Table) File() os.FileInfo { return t.info }

// Unused returns how many rows no sample has had so far.
func (t *Table) Unused() int { return len(t.rows) - t.matched }

// Close closes the table.
func (t *Table) Close() error { return t.file.Close() }

// index reads the whole table.
func (t *Table) index() (err error) {
	if t.info, err = t.file.Stat(); err != nil {
		return err
	}
	if !t.info.Mode().IsRegular() {
		return fmt.Errorf("%w: it must be a file, which can be read twice", ErrFormat)
	}
	begin, err := t.begin()
	if err != nil {
		return err
	}
	records := t.format.read(t.section(begin))
	if t.format.header {
		if err := t.header(records); err != nil {
			return err
		}
	}
	for number := 1; ; number++ {
		r := row{offset: begin + records.offset()}
		cells, err := t.next(records)
		if err == io.EOF {
			break
		}
		if err == nil {
			var key string
			if key, err = t.keyOf(cells); err == nil {
				r.hash = maphash.String(t.seed, key)
			}
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", number, err)
		}
		t.rows = append(t.rows, r)
	}
	slices.SortFunc(t.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.offset, b.offset))
	})
	return t.checkOnce()
}

// begin returns where the first row begins: after the mark that some programs begin a file of UTF-8 with.
func (t *Table) begin() (int64, error) {
	const mark = "\ufeff"
	first := make([]byte, len(mark))
	n, err := t.file.ReadAt(first, 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	if string(first[:n]) == mark {
		return int64(n), nil
	}
	return 0, nil
}

// header reads the names of the columns.
func (t *Table) header(r records) error {
	names, err := r.next()
	if err == io.EOF {
		return fmt.Errorf("%w: it has no header", ErrFormat)
	}
	if err != nil {
		return err
	}
	for _, c := range names {
		if slices.Contains(t.columns, c.text) {
			return fmt.Errorf("%w: two columns are named %q", ErrFormat, c.text)
		}
		if err := t.checkColumn(c.text); err != nil {
			return err
		}
		t.columns = append(t.columns, c.text)
	}
	if !slices.Contains(t.columns, t.key) {
		return fmt.Errorf("%w: %q is none of %q", ErrColumn, t.key, t.columns)
	}
	return nil
}

// checkColumn returns an error if members cannot have the name of a column as their extension.
func (t *Table) checkColumn(name string) error {
	_, ext, ok := index.MemberKey("key." + name)
	if name == t.key || ok && ext == name && name != "" && name[0] != '.' {
		return nil
	}
	return fmt.Errorf("%w: %q, the name of a column, cannot be an extension", ErrFormat, name)
}

// checkOnce returns an error if two rows have one key.
func (t *Table) checkOnce() error {
	for i, r := range t.rows {
		for j := i - 1; j >= 0 && t.rows[j].hash == r.hash; j-- {
			key, err := t.keyAt(i)
			if err != nil {
				return err
			}
			if other, err := t.keyAt(j); err != nil || other == key {
				return cmp.Or(err, fmt.Errorf("%w: column %s has %q twice", ErrTwice, t.key, key))
			}
		}
	}
	return nil
}

// next returns the cells of the next row, without those that are null.
func (t *Table) next(r records) ([]cell, error) {
	cells, err := r.next()
	if err != nil || !t.format.header {
		return cells, err
	}
	if len(cells) != len(t.columns) {
		return nil, fmt.Errorf("%w: %d columns, where the header has %d", ErrFormat, len(cells), len(t.columns))
	}
	for i := range cells {
		cells[i].column = t.columns[i]
	}
	return cells, nil
}

// keyOf returns the key of a row's sample.
func (t *Table) keyOf(cells []cell) (string, error) {
	for _, c := range cells {
		if c.column != t.key {
			continue
		}
		name := strings.TrimPrefix(c.text, "./")
		if key, _, ok := index.MemberKey(name); ok {
			return key, nil
		}
		return name, nil
	}
	return "", fmt.Errorf("%w: %q", ErrColumn, t.key)
}
