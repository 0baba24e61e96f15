package survey

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/shardfs/shardfs/internal/anytext"
	"github.com/shardfs/shardfs/internal/lint"
)

// Survey is what is known of samples. The zero Survey has none. It is not safe for concurrent use.
type Survey struct {
	Shards  []Shard `json:"shards"` // in the order of their surveys
	Samples int64   `json:"samples"`
	Members int64   `json:"members"` // of samples
	Bytes   int64   `json:"bytes"`   // of content
	Outside int64   `json:"outside"` // entries outside samples

	Keys          Keys         `json:"keys"`
	SampleBytes   Distribution `json:"sample_bytes"` // of content
	SampleMembers Distribution `json:"sample_members"`
	Extensions    []*Extension `json:"extensions"` // by their bytes

	// These are nil where they were not asked for, and in JSON absent.
	Fields    []*Field    `json:"fields,omitzero"`    // in the order of Options.Fields
	Pictures  *Pictures   `json:"pictures,omitzero"`  // with Options.Pictures
	Texts     []*Texts    `json:"texts,omitzero"`     // by extension, with Options.Contents
	Documents []*Document `json:"documents,omitzero"` // by extension, with Options.Contents
	Findings  []Finding   `json:"findings,omitzero"`  // the worst first, with Options.Check
}

// Shard is what is known of a shard.
type Shard struct {
	Name    anytext.Text `json:"shard"` // as the user gave it, without credentials
	Samples int64        `json:"samples"`
	Members int64        `json:"members"` // of samples
	Bytes   int64        `json:"bytes"`   // of content
}

// Keys is what is known of keys.
type Keys struct {
	First         anytext.Text `json:"first"`
	Last          anytext.Text `json:"last"`
	InDirectories int64        `json:"in_directories"` // how many keys have a slash
	Length        Distribution `json:"length"`         // bytes
}

// Extension is what is known of the members with an extension.
type Extension struct {
	Ext     anytext.Text `json:"ext"`
	Kind    string       `json:"kind"`    // see picture.Kind
	Samples int64        `json:"samples"` // how many samples have it
	Count   int64        `json:"count"`   // members; a sample can have several
	Bytes   Distribution `json:"bytes"`   // of content

	last int64 // number of the last sample that had it
}

// Field is what is known of the values of a field of samples; see Options.Fields.
type Field struct {
	Name    anytext.Text
	Samples int64 // how many samples have it
	Values  Tally
}

// field is a Field as JSON.
type field struct {
	Name    anytext.Text `json:"field"`
	Samples int64        `json:"samples"`
	Values  []Value      `json:"values"`
	Others  int64        `json:"others"` // values that the Tally has not kept
}

// MarshalJSON implements json.Marshaler.
func (f *Field) MarshalJSON() ([]byte, error) {
	return json.Marshal(field{f.Name, f.Samples, f.Values.Values(), f.Values.Others()})
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *Field) UnmarshalJSON(b []byte) error {
	var j field
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*f = Field{Name: j.Name, Samples: j.Samples, Values: Tally{others: j.Others}}
	for _, v := range j.Values {
		f.Values.add(string(v.Value), v.Count)
	}
	return nil
}

// Pictures is what is known of pictures.
type Pictures struct {
	Count   int64            `json:"count"` // those of which the size is known
	Formats map[string]int64 `json:"formats"`

	Damaged int64 `json:"damaged"` // the header makes no sense
	Unknown int64 `json:"unknown"` // not of a format that is known
	TooFar  int64 `json:"too_far"` // the size is not in the first 64 KiB

	Width  Distribution `json:"width"` // pixels
	Height Distribution `json:"height"`
	Aspect Distribution `json:"aspect"` // width divided by height, in thousandths
}

// Texts is what is known of the texts with an extension.
type Texts struct {
	Ext        anytext.Text `json:"ext"`
	NotUTF8    int64        `json:"not_utf8"`
	Characters Distribution `json:"characters"` // Unicode code points; in what is not UTF-8, each wrong byte is one
}

// Document is what is known of the JSON with an extension.
type Document struct {
	Ext      anytext.Text     `json:"ext"`
	Count    int64            `json:"count"`     // those that were read
	Invalid  int64            `json:"invalid"`   // not JSON
	TooLarge int64            `json:"too_large"` // larger than MaxDocument, and not read
	Fields   []*DocumentField `json:"fields"`    // the most frequent ones first
	More     int64            `json:"more"`      // fields beyond MaxFields in a document, each time that one occurs

	known map[string]*DocumentField // by name
}

// DocumentField is what is known of a field of JSON.
type DocumentField struct {
	Name  anytext.Text     `json:"field"` // its path: the names of objects, with dots between them
	Count int64            `json:"count"` // how many documents have it
	Types map[string]int64 `json:"types"` // "string", "number", "boolean", "null", "array" or "object"
}

// Finding is how often lint has found something.
type Finding struct {
	Code     lint.Code `json:"code"`
	Severity string    `json:"severity"`
	Count    int64     `json:"count"`

	Example anytext.Text `json:"example"` // what was found first, after the name of the member if it is about one
}

// Merge adds another survey, which is not changed. Fields are those of both.
func (s *Survey) Merge(other *Survey) {
	s.Shards = append(s.Shards, other.Shards...)
	if s.Samples == 0 {
		s.Keys.First = other.Keys.First
	}
	if other.Samples > 0 {
		s.Keys.Last = other.Keys.Last
	}
	s.Samples, s.Members = s.Samples+other.Samples, s.Members+other.Members
	s.Bytes, s.Outside = s.Bytes+other.Bytes, s.Outside+other.Outside
	s.Keys.InDirectories += other.Keys.InDirectories
	s.Keys.Length.Merge(&other.Keys.Length)
	s.SampleBytes.Merge(&other.SampleBytes)
	s.SampleMembers.Merge(&other.SampleMembers)
	for _, o := range other.Extensions {
		e := s.extension(string(o.Ext), o.Kind)
		e.Samples, e.Count = e.Samples+o.Samples, e.Count+o.Count
		e.Bytes.Merge(&o.Bytes)
	}
	for _, o := range other.Fields {
		f := s.field(string(o.Name))
		f.Samples += o.Samples
		f.Values.Merge(&o.Values)
	}
	if other.Findings != nil && s.Findings == nil {
		s.Findings = []Finding{}
	}
	if other.Pictures != nil {
		s.pictures().merge(other.Pictures)
	}
	for _, o := range other.Texts {
		t := s.texts(string(o.Ext))
		t.NotUTF8 += o.NotUTF8
		t.Characters.Merge(&o.Characters)
	}
	for _, o := range other.Documents {
		s.document(string(o.Ext)).merge(o)
	}
	for _, o := range other.Findings {
		s.find(o.Code, o.Count, o.Example)
	}
}

func (p *Pictures) merge(other *Pictures) {
	p.Count += other.Count
	for f, n := range other.Formats {
		p.Formats[f] += n
	}
	p.Damaged, p.Unknown, p.TooFar = p.Damaged+other.Damaged, p.Unknown+other.Unknown, p.TooFar+other.TooFar
	p.Width.Merge(&other.Width)
	p.Height.Merge(&other.Height)
	p.Aspect.Merge(&other.Aspect)
}

func (d *Document) merge(other *Document) {
	d.Count, d.Invalid = d.Count+other.Count, d.Invalid+other.Invalid
	d.TooLarge, d.More = d.TooLarge+other.TooLarge, d.More+other.More
	names := make(map[string]*DocumentField, len(d.Fields))
	for _, f := range d.Fields {
		names[string(f.Name)] = f
	}
	for _, o := range other.Fields {
		f := names[string(o.Name)]
		switch {
		case f == nil && len(d.Fields) >= MaxFields:
			d.More += o.Count
		case f == nil:
			d.Fields = append(d.Fields, &DocumentField{o.Name, o.Count, maps.Clone(o.Types)})
		default:
			f.Count += o.Count
			for t, n := range o.Types {
				f.Types[t] += n
			}
		}
	}
	d.sort()
}

// sort sorts the fields, the most frequent ones first.
func (d *Document) sort() {
	slices.SortFunc(d.Fields, func(a, b *DocumentField) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
}

// sorted returns the element of a name in a list that is sorted by names. If there is none, it inserts one.
func sorted[T any](list *[]*T, name string, nameOf func(*T) anytext.Text, create func() *T) *T {
	i, found := slices.BinarySearchFunc(*list, anytext.Text(name), func(e *T, name anytext.Text) int {
		return cmp.Compare(nameOf(e), name)
	})
	if !found {
		*list = slices.Insert(*list, i, create())
	}
	return (*list)[i]
}

// Frequent returns at most n extensions, those with the most members, by name, and how many others there are: keys with dots
// can make as many as there are members.
func (s *Survey) Frequent(n int) (list []*Extension, others int) {
	if len(s.Extensions) <= n {
		return s.Extensions, 0
	}
	list = slices.Clone(s.Extensions)
	slices.SortStableFunc(list, func(a, b *Extension) int { return cmp.Compare(b.Count, a.Count) })
	list = list[:n]
	sortBy(list, func(e *Extension) anytext.Text { return e.Ext })
	return list, len(s.Extensions) - n
}

func (s *Survey) extension(ext, kind string) *Extension {
	return sorted(&s.Extensions, ext, func(e *Extension) anytext.Text { return e.Ext },
		func() *Extension { return &Extension{Ext: anytext.Text(ext), Kind: kind} })
}

func (s *Survey) texts(ext string) *Texts {
	return sorted(&s.Texts, ext, func(t *Texts) anytext.Text { return t.Ext },
		func() *Texts { return &Texts{Ext: anytext.Text(ext)} })
}

func (s *Survey) document(ext string) *Document {
	return sorted(&s.Documents, ext, func(d *Document) anytext.Text { return d.Ext },
		func() *Document { return &Document{Ext: anytext.Text(ext)} })
}

func (s *Survey) field(name string) *Field {
	i := slices.IndexFunc(s.Fields, func(f *Field) bool { return string(f.Name) == name })
	if i < 0 {
		i = len(s.Fields)
		s.Fields = append(s.Fields, &Field{Name: anytext.Text(name)})
	}
	return s.Fields[i]
}

func (s *Survey) pictures() *Pictures {
	if s.Pictures == nil {
		s.Pictures = &Pictures{Formats: make(map[string]int64)}
	}
	return s.Pictures
}

// find counts findings of a code.
func (s *Survey) find(code lint.Code, n int64, example anytext.Text) {
	i := slices.IndexFunc(s.Findings, func(f Finding) bool { return f.Code == code })
	if i < 0 {
		i = len(s.Findings)
		s.Findings = append(s.Findings, Finding{code, code.Severity().String(), 0, example})
	}
	s.Findings[i].Count += n
	slices.SortFunc(s.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(b.Code.Severity(), a.Code.Severity()), cmp.Compare(b.Count, a.Count),
			cmp.Compare(a.Code, b.Code))
	})
}
