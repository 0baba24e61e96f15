package pack

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// Sample is a sample as it is packed.
type Sample struct {
	Path    string // of its directory
	Key     string
	Members []Member // those of the shard in tar order, then new ones by name; empty: the sample is left out

	own  bool // its key is the one that the shard has, so unchanged members can be copied with their headers
	end  int  // row behind the sample in the shard; 0 for a sample that is not the shard's
	like int  // row of the member whose owner and time new members get; none: there is no such member
}

// none is the row of no member.
const none = -1

// Member is one member of a Sample.
type Member struct {
	Ext  string
	File index.File // what it holds
	Row  int        // of the member of the shard in whose place it comes; index.Changed for a new one
}

// Samples returns the samples in a directory, its own and then those in directories in it, and how many files there are
// that become no member. It says what the files of a view mean:
//
//   - sample.EXT is the member KEY.EXT, and any other file is none;
//   - a directory that holds members is a sample, whose key is what was written into its key file or, where the directory
//     is new or was renamed, what its path says.
func Samples(b Base, f index.Folder) (samples []Sample, leftOut int, err error) {
	own, left, err := ownSample(b, f)
	if err != nil {
		return nil, 0, fmt.Errorf("sample %s: %w", f.Path, err)
	}
	if f.Sample != nil || len(own.Members) > 0 {
		samples = append(samples, own)
	}
	leftOut += left
	for _, sub := range f.Folders {
		more, left, err := Samples(b, sub)
		if err != nil {
			return nil, 0, err
		}
		for i := range more {
			more[i].like = own.like
		}
		samples, leftOut = append(samples, more...), leftOut+left
	}
	return samples, leftOut, nil
}

// ownSample returns the sample that a directory itself shows.
func ownSample(b Base, f index.Folder) (s Sample, leftOut int, err error) {
	s.Path, s.like = f.Path, none
	if b.Index != nil && b.Index.Samples() > 0 {
		s.like = b.Index.Sample(0).Start
	}
	if f.Path == "" {
		return s, len(f.Files), nil
	}
	files := make(map[string]index.File, len(f.Files))
	for _, file := range f.Files {
		files[file.Name] = file
	}
	if f.Sample == nil {
		s.Members, leftOut = newMembers(files)
		if len(s.Members) > 0 {
			s.Key, err = key(b, f, index.KeyOfPath(f.Path))
		}
		return s, leftOut, err
	}
	if f.Untouched {
		for _, file := range index.MemberFiles(b.Index, *f.Sample, func(string) bool { return true }) {
			files[file.Name] = file
		}
	}
	if s.Key, err = key(b, f, f.Sample.Key); err != nil {
		return s, 0, err
	}
	s.own, s.like, s.end = s.Key == f.Sample.Key, f.Sample.Start, f.Sample.End
	for row := f.Sample.Start; row < f.Sample.End; row++ {
		if !b.Index.InSample(row) {
			continue
		}
		name := b.Index.FileName(row)
		if file, ok := files[name]; ok && (file.Row != index.Changed || file.Mode.IsRegular()) {
			s.Members = append(s.Members, Member{Ext: b.Index.Member(row).Ext, File: file, Row: row})
			delete(files, name)
		}
	}
	added, leftOut := newMembers(files)
	s.Members = append(s.Members, added...)
	return s, leftOut, nil
}

// newMembers returns the files that become members that the shard does not have, by name, and how many others there are.
func newMembers(files map[string]index.File) (members []Member, others int) {
	for name, file := range files {
		ext, n, ok := index.SplitFile(name)
		switch {
		case ok && n == 1 && file.Mode.IsRegular():
			members = append(members, Member{Ext: ext, File: file, Row: index.Changed})
		case name != index.KeyFile && name != index.SourceFile:
			others++
		}
	}
	slices.SortFunc(members, func(a, b Member) int { return strings.Compare(a.File.Name, b.File.Name) })
	return members, others
}

// key returns the key of the sample that a directory shows; own is the one that it has without a key file of its own.
func key(b Base, f index.Folder, own string) (string, error) {
	if f.Moved {
		own = index.KeyOfPath(f.Path)
	}
	file, ok := f.File(index.KeyFile)
	if !ok || !file.Mode.IsRegular() {
		return own, nil
	}
	const longest = 4096
	content, err := readFile(file, longest+1)
	if err != nil {
		return "", fmt.Errorf("%s: %w", index.KeyFile, err)
	}
	key := strings.TrimSuffix(string(content), "\n")
	if key == "" || len(key) > longest || strings.ContainsAny(key, "\x00\n") {
		return "", fmt.Errorf("%w: %s holds %.100q", ErrKey, index.KeyFile, key)
	}
	if f.Sample == nil && b.Index != nil {
		if _, taken := b.Index.FindKey(key); taken {
			return own, nil // the key file came along when a sample was copied
		}
	}
	return key, nil
}

// readFile returns the content of a file of at most limit bytes, or its first limit bytes.
func readFile(file index.File, limit int64) ([]byte, error) {
	f, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
