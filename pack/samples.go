package pack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// Sample is a sample to be packed. A Sample without members writes no sample: all its members were removed or, if it
// has no key, it stands for a directory with only other files, or for the end of a shard. The zero Sample is empty.
type Sample struct {
	Base    Base   // the shard that it comes from; the zero Base if there is none
	Path    string // path of its directory
	Key     string
	LeftOut Others       // files in its directory that are not members
	Free    func() error // called when the content of the sample is no longer needed; may be nil

	members []Member // empty if whole
	whole   bool     // it is unchanged
	own     bool     // its key is unchanged, so unchanged members can be copied with their headers
	placed  bool     // it is in the shard: rows start to end-1
	start   int
	end     int
	like    int // row of the member whose owner and time new members get; none if there is none
}

// Others are files that are not members.
type Others struct {
	Count int
	First string // the name of one, the least of a directory's
}

// Add counts a file.
func (o *Others) Add(name string) {
	if o.Count++; o.Count == 1 || name < o.First {
		o.First = name
	}
}

// none is the value of a row that does not exist.
const none = -1

// Member is one member of a Sample.
type Member struct {
	Ext  string
	File DirFile // its content
	Row  int     // row of the member of the shard that it replaces; Changed for a new one

	renamed bool // its extension was changed
}

// Members returns the sample's members: those of the shard in tar order, then new ones by name.
func (s *Sample) Members() []Member {
	if !s.whole {
		return s.members
	}
	return rowMembers(s.Base.Index, s.start, s.end)
}

// Empty reports whether the sample has no members.
func (s *Sample) Empty() bool { return !s.whole && len(s.members) == 0 }

// Size returns about how many bytes of tar the sample has.
func (s *Sample) Size() (n int64) {
	if s.whole {
		return s.Base.Index.Offset(s.end) - s.Base.Index.Offset(s.start)
	}
	for _, m := range s.members {
		n += m.File.Size
	}
	return n
}

// rowMembers returns the unchanged members in rows of a shard.
func rowMembers(x *index.Index, start, end int) (members []Member) {
	for _, file := range MemberFiles(x, index.Sample{Start: start, End: end}, func(string) bool { return true }) {
		members = append(members, Member{Ext: x.Member(file.Row).Ext, File: file, Row: file.Row})
	}
	return members
}

// Whole returns an unchanged sample of a shard.
func Whole(b Base, s index.Sample) Sample {
	return Sample{
		Base: b, Path: s.Path, Key: s.Key,
		whole: true, own: true, placed: true, start: s.Start, end: s.End, like: s.Start,
	}
}

// End returns a Sample without members for the entries of a shard after its last sample.
func End(b Base) Sample {
	s := Sample{Base: b}
	if b.Index != nil {
		s.placed, s.start, s.end = true, b.Index.Rows(), b.Index.Rows()
	}
	return s
}

// Samples returns the samples in a directory: its own, and then those in subdirectories. Its errors wrap ErrKey or are
// those of reading key files. The rules are:
//
//   - sample.EXT is the member KEY.EXT; other files are not members.
//   - A directory with members is a sample. Its key is the content of its key file, if that was written; otherwise the
//     key in the shard or, for a new or renamed directory, the key for its path.
func Samples(b Base, f Dir) ([]Sample, error) {
	own, err := ownSample(b, f)
	if err != nil {
		return nil, fmt.Errorf("sample %s: %w", f.Path, err)
	}
	var samples []Sample
	if own.placed || !own.Empty() || own.LeftOut.Count > 0 {
		samples = append(samples, own)
	}
	for _, sub := range f.Dirs {
		more, err := Samples(b, sub)
		if err != nil {
			return nil, err
		}
		for i := range more {
			more[i].like = own.like
		}
		samples = append(samples, more...)
	}
	return samples, nil
}

// Unchanged reports whether packing a directory would write its sample as it is in the shard b.
func Unchanged(b Base, f Dir) bool {
	if f.Untouched && !f.Renamed {
		return true
	}
	samples, err := Samples(b, f)
	if err != nil || f.Sample == nil {
		return false
	}
	samples = slices.DeleteFunc(samples, func(s Sample) bool { return s.Empty() })
	if len(samples) != 1 || !samples[0].own {
		return false
	}
	whole := rowMembers(b.Index, f.Sample.Start, f.Sample.End)
	return slices.EqualFunc(samples[0].Members(), whole, func(now, was Member) bool { return now.File.Row == was.Row })
}

// ownSample returns the sample of a directory itself.
func ownSample(b Base, f Dir) (s Sample, err error) {
	s = Sample{Base: b, Path: f.Path, like: none}
	if f.Sample != nil {
		s = Whole(b, *f.Sample)
		if f.Untouched && !f.Renamed {
			return s, nil
		}
		s.Path, s.whole = f.Path, false
	} else if b.Index != nil && b.Index.Samples() > 0 {
		s.like = b.Index.Sample(0).Start
	}
	if f.Path == "" {
		for _, file := range f.Files {
			s.LeftOut.Add(file.Name)
		}
		return s, nil
	}
	files := make(map[string]DirFile, len(f.Files))
	for _, file := range f.Files {
		files[file.Name] = file
	}
	if f.Sample == nil {
		s.members, s.LeftOut = newMembers(files)
		if len(s.members) > 0 {
			s.Key, err = key(b, f, index.KeyOfPath(f.Path))
		}
		return s, err
	}
	if s.Key, err = key(b, f, f.Sample.Key); err != nil {
		return s, err
	}
	s.own = s.Key == f.Sample.Key
	if f.Untouched {
		s.members = rowMembers(b.Index, s.start, s.end)
		return s, nil
	}
	for row := s.start; row < s.end; row++ {
		if !b.Index.InSample(row) {
			continue
		}
		name := b.Index.FileName(row)
		if file, ok := files[name]; ok && (file.Row != Changed || file.Mode.IsRegular()) {
			s.members = append(s.members, Member{Ext: b.Index.Member(row).Ext, File: file, Row: row})
			delete(files, name)
		}
	}
	added, leftOut := newMembers(files)
	s.members, s.LeftOut = append(s.members, added...), leftOut
	return s, nil
}

// newMembers returns the files that become new members, sorted by name, and the other files.
func newMembers(files map[string]DirFile) (members []Member, others Others) {
	for name, file := range files {
		ext, n, ok := index.SplitFile(name)
		switch {
		case ok && n == 1 && file.Mode.IsRegular():
			members = append(members, Member{Ext: ext, File: file, Row: Changed})
		case name != index.KeyFile && name != index.SourceFile:
			others.Add(name)
		}
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.File.Name, b.File.Name) })
	return members, others
}

// Key returns the key of a directory's sample. The error wraps ErrKey if the key file has none.
func Key(b Base, f Dir) (string, error) {
	if f.Sample != nil {
		return key(b, f, f.Sample.Key)
	}
	return key(b, f, index.KeyOfPath(f.Path))
}

// key returns the key of a directory's sample; own is the key if there is no key file.
func key(b Base, f Dir, own string) (string, error) {
	if f.Renamed {
		own = index.KeyOfPath(f.Path)
	}
	content, ok, err := f.Text(index.KeyFile, index.MaxKey+1)
	if err != nil {
		return "", fmt.Errorf("%s: %w", index.KeyFile, err)
	}
	if !ok {
		return own, nil
	}
	key := strings.TrimSuffix(content, "\n")
	if len(key) > index.MaxKey {
		return "", fmt.Errorf("%w: %s has over %d bytes", ErrKey, index.KeyFile, index.MaxKey)
	}
	if key == "" || strings.ContainsAny(key, "\x00\n") {
		return "", fmt.Errorf("%w: %s contains %.100q", ErrKey, index.KeyFile, key)
	}
	if key != own && leaves(key) {
		return "", fmt.Errorf("%w: %s contains %.100q, which leaves the directory where a tar is unpacked", ErrKey,
			index.KeyFile, key)
	}
	if f.Sample == nil && b.Index != nil {
		if _, taken := b.Index.FindKey(key); taken {
			return own, nil // the key file was copied together with the whole sample
		}
	}
	return key, nil
}

// leaves reports whether a member with a key would be unpacked outside of the directory where its tar is.
func leaves(key string) bool {
	return strings.HasPrefix(key, "/") || slices.Contains(strings.Split(key, "/"), "..")
}
