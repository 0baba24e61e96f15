package server

import (
	"encoding/json"
	"io"

	"github.com/shardfs/shardfs/internal/anytext"
)

// request is the message that starts a server: its Options, and how its messages look. It is sent as JSON; encoding/gob
// would add a quarter of a millisecond to the start of every process.
type request struct {
	Names          []anytext.Text
	Mountpoint     anytext.Text
	Made           anytext.Text
	Mount          []anytext.Text
	ReadOnly       bool
	Base           Base
	Changes        Changes
	Scratch        anytext.Text
	SpoolDir       anytext.Text
	IndexFile      anytext.Text
	CacheDir       anytext.Text
	CacheSize      int64
	NoIndex        bool
	AllowTruncated bool
	Private        bool

	KeepIn    anytext.Text
	Quiet     bool
	Verbose   bool
	LogFormat string
}

// converted returns strings as strings of another type.
func converted[To, From ~string](list []From) (all []To) {
	for _, s := range list {
		all = append(all, To(s))
	}
	return all
}

// newRequest returns a request for options.
func newRequest(o Options) request {
	return request{
		Names:          converted[anytext.Text](o.Names),
		Mountpoint:     anytext.Text(o.Mountpoint),
		Made:           anytext.Text(o.Made),
		Mount:          converted[anytext.Text](o.Mount),
		ReadOnly:       o.ReadOnly,
		Base:           o.Base,
		Changes:        o.Changes,
		Scratch:        anytext.Text(o.Scratch),
		SpoolDir:       anytext.Text(o.SpoolDir),
		IndexFile:      anytext.Text(o.IndexFile),
		CacheDir:       anytext.Text(o.CacheDir),
		CacheSize:      o.CacheSize,
		NoIndex:        o.NoIndex,
		AllowTruncated: o.AllowTruncated,
		Private:        o.Private,
	}
}

// options returns the options of a request.
func (r *request) options() Options {
	return Options{
		Names:          converted[string](r.Names),
		Mountpoint:     string(r.Mountpoint),
		Made:           string(r.Made),
		Mount:          converted[string](r.Mount),
		ReadOnly:       r.ReadOnly,
		Base:           r.Base,
		Changes:        r.Changes,
		Scratch:        string(r.Scratch),
		SpoolDir:       string(r.SpoolDir),
		IndexFile:      string(r.IndexFile),
		CacheDir:       string(r.CacheDir),
		CacheSize:      r.CacheSize,
		NoIndex:        r.NoIndex,
		AllowTruncated: r.AllowTruncated,
		Private:        r.Private,
	}
}

// write sends the request, with nothing after it: bytes after it would be echoed.
func (r *request) write(w io.Writer) error {
	b, err := json.Marshal(r)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// readRequest receives a request. The other side sends nothing more before it has an answer.
func readRequest(r io.Reader) (*request, error) {
	req := new(request)
	return req, json.NewDecoder(r).Decode(req)
}
