package pack

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	"github.com/shardfs/shardfs/index"
)

// write writes a sample.
func (w *Writer) write(s Sample) error {
	if w.sum.LeftOut == 0 && s.LeftOut.Count > 0 {
		w.sum.LeftOutFile = path.Join(s.Path, s.LeftOut.First)
	}
	w.sum.LeftOut += s.LeftOut.Count
	if s.placed {
		if err := w.enter(s.Base); err != nil {
			return err
		}
	}
	err := w.reshape(&s)
	switch {
	case err != nil:
	case s.whole:
		err = w.whole(s)
	case s.Empty():
		err = w.empty(s)
	default:
		err = w.sample(s)
	}
	if err != nil && s.Key != "" {
		return fmt.Errorf("sample %s: %w", s.Path, err)
	}
	return err
}

// reshape applies Options.Selection, Rekey and Duplicates to a sample.
func (w *Writer) reshape(s *Sample) error {
	if w.o.Selection != nil && !s.Empty() {
		members, all, err := w.o.Selection.apply(s.Members(), w.exts)
		if err != nil {
			return err
		}
		if s.members, s.whole = members, false; !all && len(members) > 0 {
			w.sum.Lacking++
		}
	}
	if w.o.Rekey != nil && !s.Empty() {
		if key := w.o.Rekey(s.Key, w.o.first+w.sum.Samples); key != s.Key {
			if leaves(key) && !leaves(s.Key) {
				const why = "sample %s: %w: --rekey makes %.100q of it, which leaves the tar's directory"
				return s.Base.named(fmt.Errorf(why, s.Path, ErrKey, key))
			}
			s.members, s.whole = s.Members(), false
			s.Key, s.own = key, false
		}
	}
	return w.distinct(s)
}

// enter makes b the shard of the next sample, after it has finished the previous shard. A stream is a sequence of small
// shards.
func (w *Writer) enter(b Base) error {
	if w.base.is(b) {
		w.base = b // updates what is known only at the end: the size of a stream
		return nil
	}
	if w.base.Index != nil {
		if err := w.outside(w.base, w.base.Index.Rows()); err != nil {
			return err
		}
	}
	w.base, w.row = b, 0
	return nil
}

// outside writes the members outside samples before row end. It skips members of samples, which were dropped.
func (w *Writer) outside(b Base, end int) error {
	if w.o.Reordered {
		return nil
	}
	for ; w.row < end; w.row++ {
		if b.Index.InSample(w.row) || w.o.DropOutside {
			continue
		}
		if err := w.rawRow(b, w.row); err != nil {
			return err
		}
	}
	return nil
}

// whole writes an unchanged sample, with the entries outside samples between its members.
func (w *Writer) whole(s Sample) error {
	x := s.Base.Index
	w.begin(s.Key)
	if err := w.outside(s.Base, s.start); err != nil {
		return err
	}
	for row := s.start; row < s.end; row++ {
		if x.InSample(row) {
			w.sum.Members++
		} else if w.o.DropOutside || w.o.Reordered {
			continue
		}
		if err := w.rawRow(s.Base, row); err != nil {
			return err
		}
	}
	w.row = s.end
	return nil
}

// empty writes the members outside samples up to the place of a sample without members, or up to the end of a shard.
func (w *Writer) empty(s Sample) error {
	if s.Key != "" {
		w.sum.Emptied++
	} else if s.placed && w.o.Reordered {
		w.sum.Outside += s.Base.Index.Outside()
	}
	if x := s.Base.Index; s.placed && s.end == x.Rows() && s.Base.Size > 0 {
		if err := x.CheckEnd(s.Base.Plain); err != nil {
			return err
		}
	}
	return w.outside(s.Base, s.end)
}

// begin counts a sample.
func (w *Writer) begin(key string) {
	w.lastKey = key
	w.sum.Samples++
}

// sample writes a sample member by member.
func (w *Writer) sample(s Sample) error {
	b := s.Base
	w.begin(s.Key)
	header, err := w.headerLike(s)
	if err != nil {
		return err
	}
	for _, m := range s.members {
		w.sum.Members++
		if m.Row == Changed && w.row < s.end {
			if err := w.outside(b, s.end); err != nil {
				return err
			}
		}
		if m.Row != Changed {
			if err := w.outside(b, m.Row); err != nil {
				return err
			}
			w.row = m.Row + 1
		}
		if s.own && !m.renamed && m.File.Row != Changed && m.File.Row == m.Row {
			if err := w.rawRow(b, m.Row); err != nil {
				return err
			}
		} else if err := w.newMember(s, m, header); err != nil {
			return fmt.Errorf("%s: %w", m.File.Name, err)
		}
	}
	return w.outside(b, s.end)
}

// headerLike returns a header with the owner and time for a sample's new members: those of a member of the shard or,
// without a shard, no owner and the time of the sample's first file.
func (w *Writer) headerLike(s Sample) (tar.Header, error) {
	b := s.Base
	h := tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, ModTime: s.firstTime()}
	if s.like != none {
		m := b.Index.Member(s.like)
		h.ModTime = m.ModTime
		first, err := tar.NewReader(io.NewSectionReader(b.Plain, m.Header, m.Data-m.Header)).Next()
		switch {
		case errors.Is(err, tar.ErrHeader):
			// Package index accepts headers that archive/tar does not. The owner is then unknown.
		case err != nil:
			return h, fmt.Errorf("header of member %d at byte %d: %w", s.like, m.Header, err)
		default:
			h.Uid, h.Gid, h.Uname, h.Gname = first.Uid, first.Gid, first.Uname, first.Gname
		}
	}
	if w.o.Times == FixedTime {
		h.ModTime = w.o.Fixed
	}
	return h, nil
}

// firstTime returns the time of the first file that has one.
func (s *Sample) firstTime() time.Time {
	for _, m := range s.members {
		if !m.File.ModTime.IsZero() {
			return m.File.ModTime
		}
	}
	return time.Unix(0, 0)
}

// newMember writes a member under a new header.
func (w *Writer) newMember(s Sample, m Member, h tar.Header) error {
	h.Name = s.Key + "." + m.Ext
	if k, ext, ok := index.MemberKey(h.Name); !ok || k != s.Key || ext != m.Ext {
		return fmt.Errorf("%w: a member %q would not belong to the sample %q", ErrKey, h.Name, s.Key)
	}
	if w.o.Times == FileTime && !m.File.ModTime.IsZero() {
		h.ModTime = m.File.ModTime
	}
	h.ModTime = time.Unix(h.ModTime.Unix(), 0) // a fraction of a second would need an extended header
	var content io.Reader
	if m.File.Row != Changed {
		member, err := s.Base.Index.Open(m.File.Row, s.Base.Plain)
		if err != nil {
			return err
		}
		content, h.Size = member, member.Size()
	} else {
		file, err := m.File.Open()
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return ErrChanged
		}
		h.Size, content = info.Size(), file
	}
	header := w.block[:]
	if !plainHeader(&w.block, &h) {
		w.header.Reset()
		if err := tar.NewWriter(&w.header).WriteHeader(&h); err != nil {
			return err
		}
		header = w.header.Bytes()
	}
	w.intact = false
	if err := w.Flush(); err != nil {
		return err
	}
	if err := w.sink.put(header); err != nil {
		return err
	}
	n, err := w.sink.copy(content, h.Size)
	if err != nil {
		return err
	}
	if n < h.Size {
		return ErrChanged
	}
	w.block = [index.BlockSize]byte{}
	return w.sink.put(w.block[:-n&(index.BlockSize-1)])
}

// rawRow writes a member of the shard unchanged.
func (w *Writer) rawRow(b Base, row int) error {
	from := b.Index.Offset(row)
	inside := b.InStore && w.run.is(b) && w.plain == b.Plain && w.from < w.to && w.to == from
	if !inside {
		if err := b.Index.Check(row, b.Plain); err != nil {
			return err
		}
	}
	return w.raw(b, from, b.Index.Offset(row+1), row+1)
}

// checkEnd compares the index with what comes after the run that is still to be copied, if only its ends are compared.
func (w *Writer) checkEnd() error {
	b := w.run
	_, counts := w.sink.(*estimate)
	switch {
	case !b.InStore || counts:
		return nil
	case w.after < b.Index.Rows():
		return b.named(b.Index.Check(w.after, b.Plain))
	case b.Size > 0:
		return b.named(b.Index.CheckEnd(b.Plain))
	}
	return nil
}

// raw writes bytes of the plain shard, up to the row after. They are copied when the run of adjacent bytes ends, or is long;
// see Flush.
func (w *Writer) raw(b Base, from, to int64, after int) error {
	if w.plain == b.Plain && from == w.to {
		w.to = to
	} else {
		w.intact = w.intact && w.plain == nil && from == 0
		if err := w.Flush(); err != nil {
			return err
		}
		w.plain, w.from, w.to = b.Plain, from, to
	}
	w.run, w.after = b, after
	if w.to-w.from < w.sink.most() {
		return nil
	}
	return w.Flush()
}
