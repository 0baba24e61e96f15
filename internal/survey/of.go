package survey

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/anytext"
	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/picture"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/pack"
)

// Options says what is looked at. The zero value needs the index only: no content is read.
type Options struct {
	// Fields are the fields whose values are counted: an extension, whose content is the value, such as cls, or a field of
	// JSON after the extension, such as json.label or json.box.kind.
	Fields []string

	Pictures bool // read the headers of pictures, at most 64 KiB of each
	Contents bool // read texts and JSON
	Check    bool // find what readers would stumble over, see package lint; of shards only

	// Progress, if not nil, is called with how many plain bytes of the shard are done, and how many it has.
	Progress func(done, all int64)
}

// Of surveys a shard. An error is one of reading it; content that makes no sense is counted.
func Of(ctx context.Context, sh *shard.Shard, o Options) (*Survey, error) {
	b := NewBuilder(sh.Name, o)
	x, plain := sh.Index, sh.Reader(ctx)
	var members []member
	for n := range x.Samples() {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		start, end := x.SampleRows(n)
		members = members[:0]
		for row := start; row < end; row++ {
			if x.InSample(row) {
				_, size := x.Content(row)
				members = append(members, member{x.Member(row).Ext, size, rowContent{x, row, plain}})
			}
		}
		if o.Progress != nil {
			o.Progress(x.Offset(start), sh.Plain())
		}
		if err := b.add(x.Key(n), members); err != nil {
			return nil, fmt.Errorf("%s: %w", sh.Name, err)
		}
	}
	b.survey.Outside = int64(x.Outside())
	if err := x.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", sh.Name, err)
	}
	if o.Check {
		if err := b.check(io.NewSectionReader(plain, 0, sh.Plain())); err != nil {
			return nil, fmt.Errorf("%s: %w", sh.Name, err)
		}
	}
	return b.Survey(), nil
}

// Builder surveys samples one by one. It is not safe for concurrent use.
type Builder struct {
	name   string
	o      Options
	survey Survey
	exts   map[string]*known
	fields []*Field
	buf    []byte
}

// known is what is known of the members with an extension.
type known struct {
	*Extension
	texts     *Texts
	documents *Document
}

// NewBuilder returns a Builder for the samples of a shard, a mount or another source of samples.
func NewBuilder(name string, o Options) *Builder {
	b := &Builder{name: name, o: o, exts: make(map[string]*known)}
	for _, name := range o.Fields {
		if f := b.survey.field(name); !slices.Contains(b.fields, f) {
			b.fields = append(b.fields, f)
		}
	}
	if o.Pictures {
		b.survey.pictures()
	}
	if o.Contents {
		b.survey.Texts, b.survey.Documents = []*Texts{}, []*Document{}
	}
	return b
}

// Survey returns the survey of the samples so far.
func (b *Builder) Survey() *Survey {
	s := &b.survey
	s.Shards = []Shard{{anytext.Text(b.name), s.Samples, s.Members, s.Bytes}}
	sortBy(s.Extensions, func(e *Extension) anytext.Text { return e.Ext })
	sortBy(s.Texts, func(t *Texts) anytext.Text { return t.Ext })
	sortBy(s.Documents, func(d *Document) anytext.Text { return d.Ext })
	for _, d := range s.Documents {
		d.sort()
	}
	return s
}

// Add surveys a sample. One without members does not count. Its errors are those of reading it.
func (b *Builder) Add(sample *pack.Sample) error {
	b.survey.Outside += int64(sample.LeftOut.Count)
	if sample.Empty() {
		return nil
	}
	var members []member
	for _, m := range sample.Members() {
		size := m.File.Size
		var c content
		if m.File.Open == nil {
			x := sample.Base.Index
			_, size = x.Content(m.File.Row)
			c = rowContent{x, m.File.Row, sample.Base.Plain}
		} else {
			c = fileContent{m.File}
		}
		members = append(members, member{m.Ext, size, c})
	}
	return b.add(sample.Key, members)
}

// member is a member of a sample.
type member struct {
	ext     string
	size    int64
	content content
}

// add surveys a sample.
func (b *Builder) add(key string, members []member) error {
	s := &b.survey
	if s.Samples++; s.Samples == 1 {
		s.Keys.First = anytext.Text(key)
	}
	s.Keys.Last = anytext.Text(key)
	s.Keys.Length.Add(int64(len(key)))
	if strings.Contains(key, "/") {
		s.Keys.InDirectories++
	}
	var bytes int64
	for _, m := range members {
		bytes += m.size
		e := b.extension(m.ext)
		e.Count++
		e.Bytes.Add(m.size)
		if e.last != s.Samples {
			e.Samples, e.last = e.Samples+1, s.Samples
		}
		if err := b.look(m, e); err != nil {
			return fmt.Errorf("%s.%s: %w", key, m.ext, err)
		}
	}
	for _, f := range b.fields {
		if err := b.value(f, members); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	s.Members, s.Bytes = s.Members+int64(len(members)), s.Bytes+bytes
	s.SampleBytes.Add(bytes)
	s.SampleMembers.Add(int64(len(members)))
	return nil
}

// extension returns what is known of an extension.
func (b *Builder) extension(ext string) *known {
	e := b.exts[ext]
	if e == nil {
		ext = strings.Clone(ext)
		e = &known{Extension: &Extension{Ext: anytext.Text(ext), Kind: picture.Kind(ext)}}
		b.exts[ext] = e
		b.survey.Extensions = append(b.survey.Extensions, e.Extension)
	}
	return e
}

// sortBy sorts a list by names.
func sortBy[T any](list []*T, nameOf func(*T) anytext.Text) {
	slices.SortFunc(list, func(a, b *T) int { return strings.Compare(string(nameOf(a)), string(nameOf(b))) })
}

// check counts what lint finds. Damage is a finding, too.
func (b *Builder) check(plain io.Reader) error {
	b.survey.Findings = []Finding{}
	c := lint.New(func(f lint.Finding) error {
		example := f.Message
		if about := f.Member; about != "" {
			example = about + ": " + example
		} else if f.Key != "" {
			example = f.Key + ": " + example
		}
		b.survey.find(f.Code, 1, anytext.Text(example))
		return nil
	})
	read := &watched{from: plain}
	s := c.Open(b.name)
	err := s.Read(read)
	switch {
	case err == nil, read.err != nil:
		return read.err
	case errors.Is(err, index.ErrDamaged), errors.Is(err, index.ErrTruncated), errors.Is(err, index.ErrNotTar),
		errors.Is(err, io.ErrUnexpectedEOF):
		s.Damaged(err, true)
		return nil
	}
	return err
}
