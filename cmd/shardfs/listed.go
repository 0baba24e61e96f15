package main

import (
	"archive/tar"
	"fmt"
	"io"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// ofShard says which shard a sample, or a member outside samples, is from; it is empty if there is only one.
type ofShard struct {
	Shard    *string `json:"shard,omitempty"`
	ShardHex *string `json:"shard_hex,omitempty"`
}

// listedMember is a member as ls prints it.
type listedMember struct {
	ofShard
	Name    *string `json:"name,omitempty"`
	NameHex *string `json:"name_hex,omitempty"`
	Ext     *string `json:"ext,omitempty"`
	ExtHex  *string `json:"ext_hex,omitempty"`
	Type    string  `json:"type,omitempty"` // with --all
	Size    int64   `json:"size"`
	Offset  *int64  `json:"offset,omitempty"` // of the content in the plain tar; absent for a changed member
	MTime   float64 `json:"mtime"`            // seconds since 1970
	Mode    string  `json:"mode"`             // octal
	SHA256  string  `json:"sha256,omitempty"`

	text string // the name
	time time.Time
}

// listedSample is a sample as ls prints it.
type listedSample struct {
	ofShard
	Key     *string        `json:"key,omitempty"`
	KeyHex  *string        `json:"key_hex,omitempty"`
	Index   int            `json:"index"`
	Members []listedMember `json:"members"`

	text string // the key
}

func newListedSample(key string, number int) listedSample {
	t := ui.NewJSONText(key)
	return listedSample{Key: t.Text, KeyHex: t.Hex, Index: number, Members: []listedMember{}, text: key}
}

func newListedMember(name string, m index.Member) listedMember {
	t := ui.NewJSONText(name)
	l := listedMember{
		Name: t.Text, NameHex: t.Hex, Size: m.Size, Offset: &m.Data, MTime: seconds(m.ModTime),
		Mode: fmt.Sprintf("%04o", m.Mode), text: name, time: m.ModTime,
	}
	if m.InSample {
		ext := ui.NewJSONText(m.Ext)
		l.Ext, l.ExtHex = ext.Text, ext.Hex
	}
	return l
}

// listMembers lists the members of a sample of any source. Changed ones have no offset.
func listMembers(s *pack.Sample) []listedMember {
	list := []listedMember{}
	for _, m := range s.Members() {
		im := index.Member{
			Ext: m.Ext, InSample: true, Size: m.File.Size, ModTime: m.File.ModTime, Mode: uint16(m.File.Mode.Perm()),
		}
		if m.File.Row != pack.Changed {
			im = s.Base.Index.Member(m.File.Row)
		}
		l := newListedMember(s.Key+"."+m.Ext, im)
		if m.File.Row == pack.Changed {
			l.Offset = nil
		}
		list = append(list, l)
	}
	return list
}

// typeOf returns the type of an entry for ls, and whether it is a regular file. The index does not have types, so the
// entry's headers are read.
func typeOf(m index.Member, plain io.ReaderAt) (name string, regular bool, err error) {
	if m.InSample {
		return "file", true, nil
	}
	e, err := index.NewScanner(io.NewSectionReader(plain, m.Header, m.End-m.Header)).Next()
	if err != nil {
		return "", false, err
	}
	names := map[byte]string{
		tar.TypeLink: "hard link", tar.TypeSymlink: "link", tar.TypeChar: "character device",
		tar.TypeBlock: "block device", tar.TypeDir: "directory", tar.TypeFifo: "fifo", tar.TypeXGlobalHeader: "header",
	}
	switch name, known := names[e.Type]; {
	case e.Regular:
		return "file", true, nil
	case known:
		return name, false, nil
	}
	return fmt.Sprintf("type %q", e.Type), false, nil
}

// seconds returns a time of any year as seconds since 1970.
func seconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }
