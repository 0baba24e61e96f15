package table

import (
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"slices"
	"sort"

	"github.com/shardfs/shardfs/pack"
)

// Apply adds to samples the members that the table has for them, after their own and in the order of the columns. A cell
// of JSON that is null, and one that is not there, gives no member. The error is pack.ErrExtensionConflict if a sample
// has the extension already, and ErrNoKey if there were samples and rows, but no row for any of the samples.
func (t *Table) Apply(samples iter.Seq2[pack.Sample, error]) iter.Seq2[pack.Sample, error] {
	return func(yield func(pack.Sample, error) bool) {
		for s, err := range samples {
			if err == nil && !s.Empty() {
				s, err = t.add(s)
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
		if err := t.unmatched(); err != nil {
			yield(pack.Sample{}, err)
		}
	}
}

// unmatched returns an error if there were samples and rows, but no row for any of the samples: then the column or the
// file is a wrong one.
func (t *Table) unmatched() error {
	if t.matched > 0 || len(t.rows) == 0 || t.Alone == 0 {
		return nil
	}
	first := 0
	for i, r := range t.rows {
		if r.offset < t.rows[first].offset {
			first = i
		}
	}
	key, err := t.keyAt(first)
	if err == nil {
		err = fmt.Errorf("%w: column %s has %q, among others", ErrNoKey, t.key, key)
	}
	return fmt.Errorf("%s: %w", t.Name, err)
}

// add adds the members of one sample.
func (t *Table) add(s pack.Sample) (pack.Sample, error) {
	cells, err := t.take(s.Key)
	if err != nil {
		return s, fmt.Errorf("%s: %w", t.Name, err)
	}
	if cells == nil {
		t.Alone++
		return s, nil
	}
	members := slices.Clone(s.Members())
	for _, c := range cells {
		if c.column == t.key {
			continue
		}
		if err := t.checkColumn(c.column); err != nil {
			return s, fmt.Errorf("%s: sample %s: %w", t.Name, s.Key, err)
		}
		if slices.ContainsFunc(members, func(m pack.Member) bool { return m.Ext == c.column }) {
			return s, fmt.Errorf("sample %s: %w: %s is in %s, too", s.Path, pack.ErrExtensionConflict, c.column, t.Name)
		}
		members = append(members, pack.TextMember(c.column, []byte(c.text)))
	}
	return s.With(members), nil
}

// take returns the cells of the row with a key, which counts as used; nil if there is none.
func (t *Table) take(key string) ([]cell, error) {
	hash := maphash.String(t.seed, key)
	i := sort.Search(len(t.rows), func(i int) bool { return t.rows[i].hash >= hash })
	for ; i < len(t.rows) && t.rows[i].hash == hash; i++ {
		cells, err := t.at(i)
		if err != nil {
			return nil, err
		}
		if found, err := t.keyOf(cells); err != nil || found != key {
			continue
		}
		if !t.rows[i].used {
			t.rows[i].used = true
			t.matched++
		}
		return cells, nil
	}
	return nil, nil
}

// at returns the cells of row i.
func (t *Table) at(i int) ([]cell, error) {
	cells, err := t.next(t.format.read(t.section(t.rows[i].offset)))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // the file became shorter
	}
	return cells, err
}

// keyAt returns the key of row i.
func (t *Table) keyAt(i int) (string, error) {
	cells, err := t.at(i)
	if err != nil {
		return "", err
	}
	return t.keyOf(cells)
}

// section returns the file from an offset on.
func (t *Table) section(from int64) io.Reader {
	return io.NewSectionReader(t.file, from, t.info.Size()-from)
}
