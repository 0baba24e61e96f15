package pack

import (
	"bytes"
	"io/fs"
	"time"
)

// New returns a sample of members that come from no shard.
func New(key string, members []Member) Sample {
	return Sample{Path: key, Key: key, members: members, like: none}
}

// With returns the sample with other members, such as its own and more.
func (s Sample) With(members []Member) Sample {
	s.members, s.whole = members, false
	return s
}

// FileMember returns a new member whose content is a file. Its size and time are those that [ReadAhead] finds.
func FileMember(ext string, open func() (fs.File, error)) Member {
	return Member{Ext: ext, File: DirFile{Name: ext, Row: Changed, Mode: 0o644, Open: open}, Row: Changed}
}

// TextMember returns a new member with content that is in memory. It gets the time of its sample's first file.
func TextMember(ext string, content []byte) Member {
	file := DirFile{Name: ext, Row: Changed, Mode: 0o644}
	return Member{Ext: ext, File: inMemory(file, content), Row: Changed}
}

// inMemory returns a file whose content is in memory.
func inMemory(file DirFile, content []byte) DirFile {
	file.Size = int64(len(content))
	file.Open = func() (fs.File, error) { return memoryFile{bytes.NewReader(content), file}, nil }
	return file
}

// memoryFile is an open file whose content is in memory.
type memoryFile struct {
	*bytes.Reader
	file DirFile
}

func (f memoryFile) Stat() (fs.FileInfo, error) { return fileInfo{f.file}, nil }
func (f memoryFile) Close() error               { return nil }

// fileInfo is a DirFile as an fs.FileInfo.
type fileInfo struct{ file DirFile }

func (i fileInfo) Name() string       { return i.file.Name }
func (i fileInfo) Size() int64        { return i.file.Size }
func (i fileInfo) Mode() fs.FileMode  { return i.file.Mode }
func (i fileInfo) ModTime() time.Time { return i.file.ModTime }
func (i fileInfo) IsDir() bool        { return false }
func (i fileInfo) Sys() any           { return nil }
