package scratch

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
	"unicode/utf8"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/retry"
)

// Kind determines how long a scratch directory lives and what is mounted with it.
type Kind int

const (
	Kept      Kind = iota // named by the user; it outlives its mount
	Temporary             // removed with its mount or run, unless it has changes of a mount that were not packed
	Many                  // temporary, for a mount of many shards, which has no changes
)

// manifest describes a scratch directory.
type manifest struct {
	shard       string       // absolute path of the shard, or its URL without credentials; "" before Bind
	secret      bool         // the URL has credentials or a query, which are not kept
	name        string       // name of the shard, as the user gave it
	origin      index.Origin // of the shard
	index       string       // path of the index file; "" if none
	cache       string       // directory of cached index files; "" if none
	truncated   bool         // the shard may be truncated
	mountpoint  string       // where it was mounted; "" if nowhere
	made        string       // tells the mountpoint from other directories, if mount has made it; else ""
	device      string       // number of the mount's device, as "0:50"; "" before it is mounted
	kind        Kind
	packed      string // stamp of the changes that were last packed
	xattrPrefix string // prefix of overlayfs's attributes in the upper directory
	kernel      bool   // the mount needs no process
}

// manifestFile is the name of the manifest.
const manifestFile = "note.json"

const manifestVersion = 1

// manifestJSON is a manifest as it is stored.
type manifestJSON struct {
	Version    int          `json:"version"`
	Shard      string       `json:"shard"`
	Name       string       `json:"name"`
	Origin     index.Origin `json:"origin"`
	Index      string       `json:"index,omitempty"`
	Cache      string       `json:"cache,omitempty"`
	Truncated  bool         `json:"truncated"`
	Mountpoint string       `json:"mountpoint"`
	Temporary  bool         `json:"temporary"`
	Packed     string       `json:"packed,omitempty"`
	Many       bool         `json:"many,omitempty"`
	Marks      string       `json:"marks,omitempty"`
	Kernel     bool         `json:"kernel,omitempty"`
	Device     string       `json:"device,omitempty"`
	Made       string       `json:"made,omitempty"`

	Secret bool `json:"secret,omitempty"`

	Hex map[string]string `json:"hex,omitempty"`
}

// paths returns the fields with paths, by their JSON names. Paths can have any bytes, but JSON only UTF-8.
func (j *manifestJSON) paths() map[string]*string {
	return map[string]*string{
		"shard": &j.Shard, "name": &j.Name, "index": &j.Index, "cache": &j.Cache, "mountpoint": &j.Mountpoint,
	}
}

// MarshalJSON implements json.Marshaler.
func (m manifest) MarshalJSON() ([]byte, error) {
	j := manifestJSON{
		Version: manifestVersion, Shard: m.shard, Name: m.name, Origin: m.origin, Index: m.index, Cache: m.cache,
		Truncated: m.truncated, Mountpoint: m.mountpoint, Temporary: m.kind != Kept, Packed: m.packed,
		Many: m.kind == Many, Marks: m.xattrPrefix, Kernel: m.kernel, Device: m.device, Made: m.made,
		Secret: m.secret, Hex: make(map[string]string),
	}
	for name, path := range j.paths() {
		if !utf8.ValidString(*path) {
			j.Hex[name] = hex.EncodeToString([]byte(*path))
		}
	}
	return json.Marshal(j)
}

// errVersion means that another version of this program has written the manifest.
var errVersion = errors.New("manifest of another version")

// UnmarshalJSON implements json.Unmarshaler.
func (m *manifest) UnmarshalJSON(b []byte) error {
	var j manifestJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	if j.Version != manifestVersion {
		return errVersion
	}
	for name, path := range j.paths() {
		if text, ok := j.Hex[name]; ok {
			b, err := hex.DecodeString(text)
			if err != nil {
				return err
			}
			*path = string(b)
		}
	}
	*m = manifest{
		shard: j.Shard, name: j.Name, origin: j.Origin, index: j.Index, cache: j.Cache, truncated: j.Truncated,
		mountpoint: j.Mountpoint, packed: j.Packed, xattrPrefix: j.Marks, kernel: j.Kernel,
		device: j.Device, made: j.Made, secret: j.Secret,
	}
	switch {
	case j.Many:
		m.kind = Many
	case j.Temporary:
		m.kind = Temporary
	}
	return nil
}

// readManifest reads the manifest. The error is fs.ErrNotExist if it is missing, or empty, as after a power cut.
func (s *Scratch) readManifest() error {
	b, err := atomicfile.ReadOwn(s.path(manifestFile), 1<<20)
	if errors.Is(err, atomicfile.ErrForeign) {
		return fmt.Errorf("%w: %w", ErrNotScratch, err)
	}
	if err != nil {
		return err
	}
	if len(b) == 0 {
		return fmt.Errorf("%s is empty: %w", s.path(manifestFile), fs.ErrNotExist)
	}
	if err := json.Unmarshal(b, &s.manifest); err != nil {
		return fmt.Errorf("%s: %w of this version: %s: %w", s.Dir, ErrNotScratch, manifestFile, err)
	}
	return nil
}

// writeManifest replaces the manifest atomically. Only Sync makes it durable, because most scratch directories are
// temporary.
func (s *Scratch) writeManifest() error {
	b, err := json.Marshal(s.manifest)
	if err != nil {
		return err
	}
	o := atomicfile.Options{Perm: 0o600, Replace: true, Durable: atomicfile.Volatile}
	policy, busy := retry.Policy{Limit: time.Second}, retry.Is(atomicfile.ErrBusy)
	return retry.While(context.Background(), policy, busy, func() error {
		return atomicfile.WriteFile(s.path(manifestFile), append(b, '\n'), o)
	})
}

// Sync makes the manifest durable. Without it nothing else in the directory can be used after a power cut.
func (s *Scratch) Sync() error {
	f, err := os.Open(s.path(manifestFile))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if f, err = os.Open(s.Dir); err != nil {
		return err
	}
	return errors.Join(atomicfile.SyncDir(f, nil), f.Close())
}
