package pack

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// ErrSort means that samples cannot be sorted by an extension.
var ErrSort = errors.New("cannot be sorted by")

// maxText is the length in bytes of the longest text by which samples are sorted. All texts are in memory at once.
const maxText = 4096

// sortSamples returns samples in the order, byte by byte, of the content of their first member with an extension or, if
// ext is "", of their keys. Samples with equal texts keep their order, and those without such a member come last. All
// samples are in memory. An error wraps ErrSort if no sample has such a member or one has more than 4096 bytes.
func sortSamples(samples iter.Seq2[Sample, error], ext string) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		type entry struct {
			Sample
			text string
		}
		var sorted, last []entry
		for s, err := range samples {
			var text string
			found := false
			switch {
			case err != nil || s.Empty():
			case ext == "":
				text, found = s.Key, true
			default:
				text, found, err = textOf(&s, ext)
			}
			if err != nil {
				yield(Sample{}, err)
				return
			}
			if found {
				sorted = append(sorted, entry{s, text})
			} else {
				last = append(last, entry{Sample: s})
			}
		}
		if len(sorted) == 0 && slices.ContainsFunc(last, func(e entry) bool { return !e.Empty() }) {
			yield(Sample{}, fmt.Errorf("%w %s: no sample has such a member", ErrSort, ext))
			return
		}
		slices.SortStableFunc(sorted, func(a, b entry) int { return strings.Compare(a.text, b.text) })
		for _, entries := range [][]entry{sorted, last} {
			for _, e := range entries {
				if !yield(e.Sample, nil) {
					return
				}
			}
		}
	}
}

// textOf returns the content of the first member with an extension.
func textOf(s *Sample, ext string) (text string, found bool, err error) {
	members := s.Members()
	i := slices.IndexFunc(members, func(m Member) bool { return m.Ext == ext })
	if i < 0 {
		return "", false, nil
	}
	b, err := s.read(members[i], maxText+1)
	switch {
	case err != nil:
		err = fmt.Errorf("sample %s: %s: %w", s.Path, ext, err)
	case len(b) > maxText:
		err = fmt.Errorf("sample %s: %w %s: it has more than %d bytes", s.Path, ErrSort, ext, maxText)
	}
	return string(b), true, s.Base.named(err)
}

// read returns the content of a member, or its first limit bytes.
func (s *Sample) read(m Member, limit int64) ([]byte, error) {
	if m.File.Row == Changed {
		return m.File.read(limit)
	}
	content, err := s.Base.Index.Open(m.File.Row, s.Base.Plain)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(content, limit))
}
