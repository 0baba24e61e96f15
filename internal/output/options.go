package output

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/indexformat"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// Stdout is the name of standard output.
const Stdout = "-"

// IfExists says what happens to a file that has the name of an output.
type IfExists uint8

const (
	Overwrite IfExists = iota // it is replaced when the output is published
	Skip                      // it stays, and Create returns ErrSkip
	Fail                      // it stays, and Create returns an error
)

// Options says where an output goes and what is written there. Name must be set; the other zero values write a plain
// tar of all that is packed.
type Options struct {
	Name      string               // path or URL of a file, Stdout, or pipe:COMMAND
	Level     int                  // of compression; 0 means 1
	IfExists  IfExists             // the zero value is Overwrite
	Pack      pack.Options         // what is written of the samples
	Sidecar   bool                 // an index file is written beside the output
	Exports   []indexformat.Format // indexes of other tools that are written beside the output
	Resumable bool                 // what was written stays when the process is killed, see Position; for files only
	Stdout    *os.File             // where the output Stdout goes
	Stderr    *os.File             // standard error of the command of a pipe
	Store     store.Store          // where a file and what is beside it goes; nil means local files
	UI        *ui.UI               // for messages; must not be nil
}

// IsFile reports whether the output is a file, which can be published, and not a stream.
func (o *Options) IsFile() bool { return o.Name != "" && o.Name != Stdout && !pipe.Is(o.Name) }

// Absolute returns the name, as an absolute path if it is that of a local file.
func (o *Options) Absolute() (string, error) {
	path, err := store.Path(o.Name)
	if err != nil {
		return o.Name, nil
	}
	return filepath.Abs(path)
}

// store returns where a file goes.
func (o *Options) store() store.Store {
	if o.Store == nil {
		return file.Store{}
	}
	return o.Store
}

// Format returns how the output is compressed: as its name says, which for the command of a pipe may be that of the
// file it writes. Other streams are plain.
func (o *Options) Format() (codec.Format, error) {
	if f, ok := codec.FormatOf(o.Name); ok || !o.IsFile() {
		return f, nil
	}
	suffixes := Suffixes()
	last := len(suffixes) - 1
	return codec.Plain, ui.Usagef("%s: the name of an output ends in %s or %s",
		o.Name, strings.Join(suffixes[:last], ", "), suffixes[last])
}

// Suffixes returns what the names of files may end in.
func Suffixes() (list []string) {
	for _, f := range codec.Outputs() {
		list = append(list, f.Suffixes()...)
	}
	return list
}
