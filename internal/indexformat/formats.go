package indexformat

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// Format is an index format of another tool, by its name on the command line.
type Format string

// The formats.
const (
	WDS2IDX     Format = "wds2idx" // NVIDIA DALI's wds2idx 1.2: text, a line for each sample
	Energon     Format = "energon" // Megatron-Energon's .tar.idx: the offset of each sample
	HuggingFace Format = "hf"      // hfutils' JSON beside a tar, with the digest of each member
)

// formats has everything that differs between formats. A new format needs a row here and a file with the functions in
// that row.
var formats = [...]*row{
	{
		format:  WDS2IDX,
		file:    fileWDS2IDX,
		names:   true,
		escapes: true,
		export:  func(w io.Writer, s Shard) (string, error) { return exportWDS2IDX(w, s.Index) },
		begins:  beginsWDS2IDX,
		owns:    ownsWDS2IDX,
		read:    (*Imported).readWDS2IDX,
		check:   (*Imported).checkMembers,
		omits:   func(_ *Imported, x *index.Index, e entry) bool { return hidden(x.Key(e.sample)) },
	},
	{
		format: Energon,
		file:   func(base string) string { return withoutSuffix(base) + ".tar.idx" },
		export: func(w io.Writer, s Shard) (string, error) { return "", exportEnergon(w, s.Index) },
		begins: beginsEnergon,
		owns:   ownsEnergon,
		read:   (*Imported).readEnergon,
		check:  (*Imported).checkStarts,
	},
	{
		format: HuggingFace,
		names:  true,
		file:   func(base string) string { return withoutSuffix(base) + ".json" },
		export: exportHuggingFace,
		begins: beginsHuggingFace,
		owns:   ownsHuggingFace,
		read:   (*Imported).readHuggingFace,
		check:  (*Imported).checkMembers,
		omits:  (*Imported).hasLater,
	},
}

// row describes a format.
type row struct {
	format Format
	file   func(base string) string // name of the index of a shard, by the shard's base name, which is not empty

	names   bool // it may have the names of members
	escapes bool // names may be escaped, as GNU tar lists them

	// export writes the index of a shard, as Export does.
	export func(w io.Writer, s Shard) (warning string, err error)

	// begins reports whether a file is an index of the format, by its first bytes, 16 or more unless it is
	// shorter. No two formats begin in the same way. This and the functions below are nil for a format that can
	// only be exported.
	begins func(head []byte) bool

	// owns reports whether a file with that many bytes is an index of the format, and not a file of another tool with
	// the same name. Shard is the size of the file beside it that would be the shard; 0 if there is none.
	owns func(in io.ReaderAt, size, shard int64) bool

	// read reads an index into an Imported. Only row and size of that are set before.
	read func(im *Imported, r io.Reader) error

	// check compares the imported index with one built from the shard.
	check func(im *Imported, x *index.Index) error

	// omits reports whether an index of the format leaves out a member of a sample. checkMembers calls it.
	omits func(im *Imported, x *index.Index, e entry) bool
}

func (f Format) row() (*row, error) {
	for _, r := range formats {
		if r.format == f {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: %q: there are %s", ErrUnknownFormat, string(f), listNames())
}

// Names returns the names of all formats.
func Names() (names []string) {
	for _, r := range formats {
		names = append(names, string(r.format))
	}
	return names
}

func listNames() string {
	names := Names()
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// ParseFormats parses a comma-separated list of formats.
func ParseFormats(names string) (list []Format, err error) {
	for name := range strings.SplitSeq(names, ",") {
		f := Format(strings.TrimSpace(name))
		if _, err := f.row(); err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// Name returns the path at which tools look for the index of a shard in a format.
func Name(f Format, shard string) string {
	dir, base := path.Split(shard)
	r, err := f.row()
	if base == "" || err != nil {
		return shard
	}
	return dir + r.file(base)
}

// Owns reports whether a file of that size is an index in a format, such as Export writes, for any shard. A file of
// another tool may have the same name. Shard is the size of the shard's file; 0 if there is none.
func Owns(f Format, in io.ReaderAt, size, shard int64) bool {
	r, err := f.row()
	return err == nil && r.owns(in, size, shard)
}

// beginning returns the first bytes of a file.
func beginning(in io.ReaderAt) []byte {
	head := make([]byte, 4096)
	n, _ := in.ReadAt(head, 0)
	return head[:n]
}

// withoutSuffix returns the name of a file up to its last dot, unless that is its first byte.
func withoutSuffix(base string) string {
	if dot := strings.LastIndexByte(base, '.'); dot > 0 && strings.Trim(base[:dot], ".") != "" {
		return base[:dot]
	}
	return base
}

// Detect returns the format of an index by its first bytes; 16 or more are needed unless it is shorter. The error is
// ErrUnknownFormat.
func Detect(head []byte) (Format, error) {
	for _, r := range formats {
		if r.begins != nil && r.begins(head) {
			return r.format, nil
		}
	}
	return "", ErrUnknownFormat
}
