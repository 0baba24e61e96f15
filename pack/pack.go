// Package pack writes samples to a tar.
//
// A [Writer] is given samples as they are now, one after the other, and appends what they hold: bytes that nobody changed
// as they lie in the shard, headers included, the rest under plain new headers. Where samples come from and in which order
// is said by sequences of them: [All] yields those of a source, and other functions turn a sequence into another. The same
// samples give the same bytes, whoever made them and in whatever time.
package pack

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/shardfs/shardfs/index"
)

// What can be wrong with a sample.
var (
	ErrKey     = errors.New("bad key")
	ErrChanged = errors.New("changed while it was read")
)

// Base is the shard that samples come from.
type Base struct {
	Name  string // for errors; "" where whoever packs names it
	Index *index.Index
	Plain io.ReaderAt // its plain bytes
	Size  int64       // how many, what follows the end marker included; 0: the end is not copied
}

// named says which shard an error is of.
func (b Base) named(err error) error {
	if err == nil || b.Name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", b.Name, err)
}

// Times says which modification time a new or changed member gets.
type Times uint8

const (
	SampleTime Times = iota // that of the sample's first member in the shard
	FileTime                // the file's own, in whole seconds
	FixedTime               // Options.Fixed
)

// Options configures a Writer. The zero value is the design's.
type Options struct {
	DropOutside bool // leave out the members that belong to no sample
	Reordered   bool // samples come in any order, in which such members have no place: they are left out, and counted
	OwnEnd      bool // end as every tar does, also where all of it is a shard that ends otherwise
	Times       Times
	Fixed       time.Time
	Selection   Selection // nil: all members, as they are called

	// Rekey, if not nil, returns the key that a sample gets for the one that it has, and its number in the output, from 0.
	Rekey func(key string, number int) string
	// First is the number of the first sample.
	First int
}

// Summary counts what was written and what was not.
type Summary struct {
	Samples int   `json:"samples"`
	Members int   `json:"members"`  // of samples
	Bytes   int64 `json:"bytes"`    // of plain tar
	LeftOut int   `json:"left_out"` // files in the directories that are no members
	Emptied int   `json:"emptied"`  // samples without a member left
	Lacking int   `json:"lacking"`  // samples without some of the members that Fields name
	Outside int   `json:"others"`   // members of no sample that have no place in another order
}

// Writer writes a tar. It is not safe for concurrent use.
type Writer struct {
	out     io.Writer
	o       Options
	sum     Summary
	base    Base        // the shard of the last sample
	row     int         // its rows before this one have been dealt with
	plain   io.ReaderAt // bytes from..to of it are still to be copied
	from    int64
	to      int64
	intact  bool   // all that was written is the beginning of one shard as it lies there
	lastKey string // of the last sample written
	header  bytes.Buffer
	buffer  []byte
	dry     bool // only count
}

// NewWriter returns a Writer to out. If out has a method CopyRange, long runs of unchanged bytes are copied by it, and other
// bytes come to it many at a time, the last ones by Close.
func NewWriter(out io.Writer, o Options) *Writer {
	if r, ok := out.(ranger); ok {
		out = newBuffered(r)
	}
	return &Writer{out: out, o: o, intact: !o.OwnEnd}
}

// Summary returns what has been counted so far.
func (w *Writer) Summary() Summary { return w.sum }

// Write writes a sample and frees it. Unless Options say otherwise, those of a shard come in its order: members that belong
// to no sample are written before the sample that they lie before.
func (w *Writer) Write(s Sample) error {
	if err := w.write(s); err != nil {
		return s.Base.named(err)
	}
	if s.Free == nil {
		return nil
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return s.Free()
}

// WriteDir writes the samples in one directory.
func (w *Writer) WriteDir(b Base, f Dir) error {
	samples, err := Samples(b, f)
	if err != nil {
		return err
	}
	for _, s := range samples {
		if err := w.Write(s); err != nil {
			return err
		}
	}
	return nil
}

// Rest writes what the shard has behind its last sample.
func (w *Writer) Rest(b Base) error { return w.Write(End(b)) }

// write writes a sample.
func (w *Writer) write(s Sample) error {
	w.sum.LeftOut += s.LeftOut
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

// reshape applies what Options say of members and keys to a sample.
func (w *Writer) reshape(s *Sample) error {
	if w.o.Selection != nil && !s.Empty() {
		members, all, err := w.o.Selection.apply(s.Members())
		if err != nil {
			return err
		}
		if s.members, s.whole = members, false; !all && len(members) > 0 {
			w.sum.Lacking++
		}
	}
	if w.o.Rekey != nil && !s.Empty() {
		if key := w.o.Rekey(s.Key, w.o.First+w.sum.Samples); key != s.Key {
			s.members, s.whole = s.Members(), false
			s.Key, s.own = key, false
		}
	}
	return nil
}

// Close ends the tar. When all that was written is the last shard as it lies there, this is to its last byte; else it is
// with as many blocks of zeros as fill a record, as tar has always written it. It does not close what is written to.
func (w *Writer) Close() error {
	b := w.base
	same := w.intact && b.Size > 0 && w.offset() == b.Index.End() && (w.plain == nil || w.plain == b.Plain)
	if same {
		if err := w.raw(b, b.Index.End(), b.Size); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !same {
		if err := w.put(make([]byte, Closed(w.sum.Bytes)-w.sum.Bytes)); err != nil {
			return err
		}
	}
	if out, ok := w.out.(buffered); ok {
		return out.Flush()
	}
	return nil
}

// Closed returns how long a tar is with its end, of so many bytes without.
func Closed(bytes int64) int64 {
	const marker, record = 2 * index.BlockSize, 20 * index.BlockSize
	end := bytes + marker
	return end + (record-end%record)%record
}

// offset returns how many bytes have been written, those still to be copied included.
func (w *Writer) offset() int64 { return w.sum.Bytes + w.to - w.from }

// enter notes which shard the next sample is from, and finishes with the one before: a stream comes as one small shard
// after the other.
func (w *Writer) enter(b Base) error {
	if w.base.Index == b.Index {
		w.base = b // the size of a stream is known only at its end
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

// outside writes the members that belong to no sample up to a row, and passes over those of samples, which were dropped.
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

// whole writes a sample as it lies in the shard, with what lies between its members.
func (w *Writer) whole(s Sample) error {
	x := s.Base.Index
	if err := w.begin(s.Key); err != nil {
		return err
	}
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

// empty writes the members of no sample up to where a sample without members was, or to the end of a shard.
func (w *Writer) empty(s Sample) error {
	if s.Key != "" {
		w.sum.Emptied++
	} else if s.placed && w.o.Reordered {
		w.sum.Outside += s.Base.Index.Outside()
	}
	return w.outside(s.Base, s.end)
}

// begin counts a sample and checks that it does not run into the one before it.
func (w *Writer) begin(key string) error {
	if w.sum.Samples > 0 && key == w.lastKey {
		return fmt.Errorf("%w: %q is also that of the sample before it, and the two would become one", ErrKey, key)
	}
	w.lastKey = key
	w.sum.Samples++
	return nil
}

// sample writes a sample member by member.
func (w *Writer) sample(s Sample) error {
	b := s.Base
	if err := w.begin(s.Key); err != nil {
		return err
	}
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

// headerLike returns a header with the owner and time that a sample's new members get: those of a member of the shard or,
// without a shard, no owner and the time of the sample's first file.
func (w *Writer) headerLike(s Sample) (tar.Header, error) {
	b := s.Base
	h := tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, ModTime: s.members[0].File.ModTime}
	if s.like != none {
		m := b.Index.Member(s.like)
		h.ModTime = m.ModTime
		first, err := tar.NewReader(io.NewSectionReader(b.Plain, m.Header, m.Data-m.Header)).Next()
		switch {
		case errors.Is(err, tar.ErrHeader):
			// Package index is content with less than archive/tar is. Such a header gives no owner.
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

// newMember writes a member under a new header.
func (w *Writer) newMember(s Sample, m Member, h tar.Header) error {
	h.Name = s.Key + "." + m.Ext
	if k, ext, ok := index.MemberKey(h.Name); !ok || k != s.Key || ext != m.Ext {
		return fmt.Errorf("%w: a member %q would not belong to the sample %q", ErrKey, h.Name, s.Key)
	}
	if w.o.Times == FileTime {
		h.ModTime = m.File.ModTime
	}
	h.ModTime = time.Unix(h.ModTime.Unix(), 0) // a fraction would need an extended header
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
	w.header.Reset()
	if err := tar.NewWriter(&w.header).WriteHeader(&h); err != nil {
		return err
	}
	w.intact = false
	if err := w.Flush(); err != nil {
		return err
	}
	if err := w.put(w.header.Bytes()); err != nil {
		return err
	}
	n, err := w.copy(content, h.Size)
	if err != nil {
		return err
	}
	if n < h.Size {
		return ErrChanged
	}
	return w.put(make([]byte, -n&(index.BlockSize-1)))
}

// rawRow writes a member of the shard as it lies there.
func (w *Writer) rawRow(b Base, row int) error {
	if err := b.Index.Check(row, b.Plain); err != nil {
		return err
	}
	return w.raw(b, b.Index.Offset(row), b.Index.Offset(row+1))
}

// raw writes bytes of the plain shard. They are copied once it is known where the run of such bytes ends.
func (w *Writer) raw(b Base, from, to int64) error {
	if w.plain == b.Plain && from == w.to {
		w.to = to
		return nil
	}
	w.intact = w.intact && w.plain == nil && from == 0
	if err := w.Flush(); err != nil {
		return err
	}
	w.plain, w.from, w.to = b.Plain, from, to
	return nil
}

// Flush copies the bytes of the shard that are still to be copied, so that they need not be kept any longer.
func (w *Writer) Flush() error {
	from, n := w.from, w.to-w.from
	w.from = w.to
	if n == 0 {
		return nil
	}
	if out, ok := w.out.(buffered); ok && !w.dry {
		w.sum.Bytes += n
		return out.CopyRange(w.plain, from, n)
	}
	copied, err := w.copy(io.NewSectionReader(w.plain, from, n), n)
	if err == nil && copied < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// copy writes n bytes of r, or as many as it has.
func (w *Writer) copy(r io.Reader, n int64) (int64, error) {
	if w.dry {
		w.sum.Bytes += n
		return n, nil
	}
	if w.buffer == nil {
		w.buffer = make([]byte, bufferBytes)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{w.out}, struct{ io.Reader }{io.LimitReader(r, n)}, w.buffer)
	w.sum.Bytes += n
	return n, err
}

// put writes bytes.
func (w *Writer) put(p []byte) error {
	if w.dry {
		w.sum.Bytes += int64(len(p))
		return nil
	}
	n, err := w.out.Write(p)
	w.sum.Bytes += int64(n)
	return err
}
