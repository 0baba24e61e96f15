package indexformat

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/shardfs/shardfs/index"
)

// Format is an index format of another tool, by the name that the command line has for it.
type Format string

// The formats.
const (
	WDS2IDX     Format = "wds2idx" // NVIDIA DALI's wds2idx 1.2: text, a line for each sample
	Energon     Format = "energon" // Megatron-Energon's .tar.idx: the offset of each sample
	HuggingFace Format = "hf"      // hfutils' JSON beside a tar, with the digest of each member
)

// formats has all that differs between formats. A new format is a row here and a file with the functions that the row names.
var formats = [...]*row{
	{
		format:     WDS2IDX,
		file:       fileWDS2IDX,
		needsPlain: true,
		export:     func(w io.Writer, s Shard) (string, error) { return exportWDS2IDX(w, s.Index) },
		begins:     beginsWDS2IDX,
		read:       (*Imported).readWDS2IDX,
		check:      (*Imported).checkMembers,
		omits:      func(_ *Imported, x *index.Index, e entry) bool { return hidden(x.Key(e.sample)) },
	},
	{
		format: Energon,
		file:   func(base string) string { return withoutSuffix(base) + ".tar.idx" }, // x.tar.gz has x.tar.tar.idx
		export: func(w io.Writer, s Shard) (string, error) { return "", exportEnergon(w, s.Index) },
		begins: beginsEnergon,
		read:   (*Imported).readEnergon,
		check:  (*Imported).checkStarts,
	},
	{
		format:     HuggingFace,
		file:       func(base string) string { return withoutSuffix(base) + ".json" },
		needsPlain: true,
		export:     exportHuggingFace,
		begins:     beginsHuggingFace,
		read:       (*Imported).readHuggingFace,
		check:      (*Imported).checkMembers,
		omits:      (*Imported).hasLater,
	},
}

// row is what there is to know of a format.
type row struct {
	format Format
	file   func(base string) string // name of the index of a shard, by the shard's base name, which is not empty

	// needsPlain says that a reader of the format uses its offsets in the file as it lies there.
	needsPlain bool

	// export writes the index of a shard, as Export does.
	export func(w io.Writer, s Shard) (warning string, err error)

	// begins reports whether the first bytes of a file, 16 or more where it has as many, begin an index. No two formats begin
	// alike. It and the functions below are nil for a format that is only exported.
	begins func(head []byte) bool

	// read reads an index into an Imported that has only its row and size.
	read func(im *Imported, r io.Reader) error

	// check compares what was read with an index built from the shard.
	check func(im *Imported, x *index.Index) error

	// omits reports whether an index of the format has no room for a member of a sample. It is for checkMembers.
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

// Names returns the names of all formats that can be exported.
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

// ParseFormats reads a list of formats, separated by commas.
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

// NeedsPlain reports whether the format is only of use beside a shard that is not compressed, because its offsets are those of
// members in the file.
func (f Format) NeedsPlain() bool {
	r, err := f.row()
	return err == nil && r.needsPlain
}

// Name returns the path at which the tools of a format look for the index of a shard.
func Name(f Format, shard string) string {
	dir, base := path.Split(shard)
	r, err := f.row()
	if base == "" || err != nil {
		return shard
	}
	return dir + r.file(base)
}

// withoutSuffix returns a file's name up to its last dot; one at its beginning does not count.
func withoutSuffix(base string) string {
	if dot := strings.LastIndexByte(base, '.'); dot > 0 && strings.Trim(base[:dot], ".") != "" {
		return base[:dot]
	}
	return base
}

// Detect returns the format of an index by its first 16 bytes or more. The error is ErrUnknownFormat.
func Detect(head []byte) (Format, error) {
	for _, r := range formats {
		if r.begins != nil && r.begins(head) {
			return r.format, nil
		}
	}
	return "", ErrUnknownFormat
}
