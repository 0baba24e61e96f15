package difference

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/shardfs/shardfs/pack"
)

// inOrder returns the samples that wait, in the order of the side.
func (s *side) inOrder() []*waiting {
	list := make([]*waiting, 0, len(s.alone))
	for hash, w := range s.alone {
		for ; w != nil; w = w.next {
			list = append(list, w)
		}
		delete(s.alone, hash)
	}
	slices.SortFunc(list, func(a, b *waiting) int { return cmp.Compare(a.number, b.number) })
	return list
}

// Size returns the size of a member of a sample in bytes.
func Size(s Sample, m pack.Member) int64 {
	if m.File.Open != nil {
		return m.File.Size
	}
	_, size := s.Base().Index.Content(m.File.Row)
	return size
}

// members returns the members that differ: first those of a, then those that only b has.
func members(a, b Sample) (list []Member, err error) {
	of, partners := a.Members(), b.Members()
	used := make([]bool, len(partners))
	partner := partnersOf(of, partners)
	for i, m := range of {
		i := partner(i)
		if i < 0 {
			list = append(list, Member{Removed, m.Ext, Size(a, m), -1})
			continue
		}
		used[i] = true
		c := Member{Changed, m.Ext, Size(a, m), Size(b, partners[i])}
		same := c.ASize == c.BSize
		if same {
			if same, err = sameContent(a, m, b, partners[i]); err != nil {
				return nil, fmt.Errorf("%s.%s: %w", a.Key(), m.Ext, err)
			}
		}
		if !same {
			list = append(list, c)
		}
	}
	for j, m := range partners {
		if !used[j] {
			list = append(list, Member{Added, m.Ext, -1, Size(b, m)})
		}
	}
	return list, nil
}

// partnersOf returns a function that is called once for each member, in order, and returns the first partner with its
// extension that no other one has, or -1.
func partnersOf(of, partners []pack.Member) func(i int) int {
	if slices.EqualFunc(of, partners, func(a, b pack.Member) bool { return a.Ext == b.Ext }) {
		return func(i int) int { return i }
	}
	left := make(map[string][]int, len(partners))
	for j, m := range partners {
		left[m.Ext] = append(left[m.Ext], j)
	}
	return func(i int) int {
		list := left[of[i].Ext]
		if len(list) == 0 {
			return -1
		}
		left[of[i].Ext] = list[1:]
		return list[0]
	}
}

// open opens the content of a member.
func open(s Sample, m pack.Member) (io.Reader, func() error, error) {
	if m.File.Open == nil {
		b := s.Base()
		r, err := b.Index.Open(m.File.Row, b.Plain)
		return r, func() error { return nil }, err
	}
	f, err := m.File.Open()
	if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}

// named adds the name of a sample's shard to an error.
func named(s Sample, err error) error {
	if name := s.Base().Name; name != "" {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// sameContent reports whether two members of one size have the same bytes.
func sameContent(a Sample, am pack.Member, b Sample, bm pack.Member) (same bool, err error) {
	ar, closeA, err := open(a, am)
	if err != nil {
		return false, named(a, err)
	}
	defer func() { err = errors.Join(err, closeA()) }()
	br, closeB, err := open(b, bm)
	if err != nil {
		return false, named(b, err)
	}
	defer func() { err = errors.Join(err, closeB()) }()
	const piece = 64 << 10
	buf := make([]byte, 2*min(piece, Size(a, am)+1)) // one more than the size finds the end at once
	one, two := buf[:len(buf)/2], buf[len(buf)/2:]
	for {
		n, errA := io.ReadFull(ar, one)
		m, errB := io.ReadFull(br, two)
		switch {
		case errA != nil && errA != io.EOF && errA != io.ErrUnexpectedEOF:
			return false, named(a, errA)
		case errB != nil && errB != io.EOF && errB != io.ErrUnexpectedEOF:
			return false, named(b, errB)
		case !bytes.Equal(one[:n], two[:m]):
			return false, nil
		case errA != nil || errB != nil:
			return true, nil
		}
	}
}
