package output

import (
	"context"
	"errors"
	"os"
	"path"
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

// IfExists is the policy for an existing file with the name of an output.
type IfExists uint8

const (
	Overwrite IfExists = iota // replace it when the output is published
	Skip                      // keep it; Create, or Commit, returns ErrSkip
	Fail                      // keep it; Create returns an error
)

// Options configures where an output goes and what it contains. Name and UI must be set; the other zero values write a
// tar with everything that is packed.
type Options struct {
	Name       string               // path or URL of a file, Stdout, or pipe:COMMAND
	Level      int                  // compression level; 0 means 1
	IfExists   IfExists             // the zero value is Overwrite
	Pack       pack.Options         // how samples are packed
	Sidecar    bool                 // write an index file beside the output
	Exports    []indexformat.Format // indexes for other tools to write beside the output
	Purge      bool                 // of a split, remove the outputs of an earlier run that are not replaced
	AllowEmpty bool                 // publish it without samples, too; else Commit returns pack.ErrEmpty
	Resumable  bool                 // keep the temporary file if the process is killed, see Position; for files only
	PartDir    string               // where a file keeps the bytes of a Resumable output in a store
	Try        bool                 // find out at the beginning whether it may be written, if the store tells
	Continue   string               // Part of the position from which a Resumable output is continued; "" for none
	Stdout     *os.File             // written to for the name Stdout
	Stderr     *os.File             // standard error of the command of a pipe
	Store      store.Store          // for a file and the indexes beside it; nil means local files
	UI         *ui.UI               // for messages

	// Confirm is called last before an output is published. It returns an error if one of the inputs has changed since
	// it was opened. Nil means that there is nothing to confirm.
	Confirm func(ctx context.Context) error
}

// confirm calls Confirm.
func (o *Options) confirm(ctx context.Context) error {
	if o.Confirm == nil {
		return nil
	}
	return o.Confirm(ctx)
}

// Explain returns the error of Confirm instead of err, if there is one: an input that has changed explains all others.
func (o *Options) Explain(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		if changed := o.confirm(ctx); errors.Is(changed, store.ErrChanged) {
			return changed
		}
	}
	return err
}

// IsFile reports whether the output is a file, which can be published, and not a stream.
func (o *Options) IsFile() bool { return o.Name != "" && o.Name != Stdout && !pipe.Is(o.Name) }

// Absolute returns the name without credentials, made absolute if it is a local path.
func (o *Options) Absolute() (string, error) {
	local, err := store.Path(o.Name)
	if err != nil {
		return store.Redact(o.Name), nil
	}
	return filepath.Abs(local)
}

// store returns the store for a file.
func (o *Options) store() store.Store {
	if o.Store == nil {
		return file.Store{}
	}
	return o.Store
}

// Clean removes what killed runs have left of outputs, of those for which may returns true, see the function [Clean]. The user
// is told of an error with the details.
func (o *Options) Clean(ctx context.Context, may func(store.Leftover) bool) {
	for l, err := range Clean(ctx, o.store(), o.Name, may) {
		if err != nil {
			o.UI.Detail("%v", err)
			continue
		}
		o.UI.Detail("%s: removed, as a run that was killed has left it", l.At)
	}
}

// weak returns a function that warns of a guarantee that is missing where a file is written: once for each directory.
func (o *Options) weak(name string) func(why string) {
	return func(why string) { o.UI.WarnOnce("%s: %s", path.Dir(store.Redact(name)), why) }
}

// Format returns how the output is compressed, which the suffix of the name decides; for a pipe that is the end of its
// command, such as the file it writes. Other streams are plain.
func (o *Options) Format() (codec.Format, error) {
	name := o.Name
	if o.IsFile() {
		name, _ = store.CutQuery(name)
	}
	if f, ok := codec.FormatOf(name); ok || !o.IsFile() {
		return f, nil
	}
	suffixes := Suffixes()
	last := len(suffixes) - 1
	return codec.Plain, ui.Usagef("%s: the name of an output ends in %s or %s",
		store.Redact(o.Name), strings.Join(suffixes[:last], ", "), suffixes[last])
}

// CopiesInStore reports whether the bytes of a shard, if it is plain, are copied to the output by the store that both are in.
// Of one that has another name than plain ones have, they are not.
func (o *Options) CopiesInStore(shard string) bool {
	from, ok := codec.FormatOf(shard)
	to, err := o.Format()
	return ok && err == nil && from == codec.Plain && to == codec.Plain && o.IsFile() &&
		store.CopiesInStore(o.store(), shard, o.Name)
}

// Suffixes returns the suffixes that names of output files may have.
func Suffixes() (list []string) {
	for _, f := range codec.Outputs() {
		list = append(list, f.Suffixes()...)
	}
	return list
}
