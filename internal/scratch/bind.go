package scratch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// Bind records the shard that the changes belong to and where they will be mounted; "" means nowhere. The error is
// ErrOtherShard if the directory has changes over another shard or an earlier version of this one. Bind also creates
// the directories for changes, even for a read-only mount, whose readers then find them empty.
func (s *Scratch) Bind(sh *shard.Shard, mountpoint string) error {
	changed, err := s.HasChanges()
	if err != nil {
		return err
	}
	if changed && s.manifest.shard == "" {
		return fmt.Errorf("%s: %w: it has changes, but its %s is lost", s.Dir, ErrNotScratch, manifestFile)
	}
	if changed && !s.manifest.origin.Same(sh.Origin) {
		return fmt.Errorf("%s: %w: %s, or the shard was changed since", s.Dir, ErrOtherShard, s.manifest.name)
	}
	s.manifest.shard, s.manifest.name, s.manifest.origin = store.Redact(sh.Path()), sh.Name, sh.Origin
	s.manifest.secret = s.manifest.shard != sh.Path()
	s.manifest.mountpoint, s.manifest.device, s.manifest.kernel = mountpoint, "", false
	for _, dir := range []string{s.Upper(), s.Work()} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return s.writeManifest()
}

// BindMany records where many shards are mounted, and which, by their absolute names without credentials. It sets the
// kind to Many.
func (s *Scratch) BindMany(mountpoint string, shards []string) error {
	shards = slices.Clone(shards)
	for i, name := range shards {
		shards[i] = store.Redact(name)
	}
	if err := os.WriteFile(s.path(shardsFile), []byte(strings.Join(shards, "\x00")), 0o600); err != nil {
		return err
	}
	s.manifest.kind = Many
	s.manifest.mountpoint, s.manifest.device, s.manifest.kernel = mountpoint, "", false
	return s.writeManifest()
}

// Shards returns the shards that are or were mounted, and the index file that the user has named; "" if none.
func (s *Scratch) Shards() (names []string, index string, err error) {
	if s.manifest.kind != Many {
		return []string{s.manifest.shard}, s.manifest.index, nil
	}
	b, err := os.ReadFile(s.path(shardsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil // mounted by an earlier version
	}
	return strings.Split(string(b), "\x00"), "", err
}

// SetMade sets, before Bind, what tells the mountpoint from other directories; "" if mount has not made it.
func (s *Scratch) SetMade(made string) { s.manifest.made = made }

// Made returns what SetMade has set.
func (s *Scratch) Made() string { return s.manifest.made }

// SetDevice records, after Bind, the number of the mount's device.
func (s *Scratch) SetDevice(device string) error {
	s.manifest.device = device
	return s.writeManifest()
}

// Device returns the number that SetDevice has recorded last; "" if none. When the mount has ended, the kernel may give
// the number to another one.
func (s *Scratch) Device() string { return s.manifest.device }

// Mountpoint returns where the changes were mounted; "" means nowhere. The mount may have been moved since.
func (s *Scratch) Mountpoint() string { return s.manifest.mountpoint }

// SetServedByKernel records, after Bind, that the kernel alone serves the mount: it is alive although no process holds
// the scratch directory.
func (s *Scratch) SetServedByKernel() error {
	s.manifest.kernel = true
	return s.writeManifest()
}

// ServedByKernel reports whether the mount needs no process.
func (s *Scratch) ServedByKernel() bool { return s.manifest.kernel }

// UseIndex sets how the shard is opened, now and later by OpenShard. If o would keep no index that OpenShard could use,
// one is kept in the scratch directory. It returns the options to open the shard with; Bind records them.
func (s *Scratch) UseIndex(o shard.Options) (shard.Options, error) {
	var err error
	s.manifest.index, s.manifest.cache, s.manifest.truncated = "", "", o.AllowTruncated
	if o.NoIndex {
		return o, nil
	}
	if o.IndexFile == "" && !shard.CanKeep(o.CacheDir) {
		o.IndexFile, o.CacheDir = s.path(indexFile), ""
	}
	if o.IndexFile != "" {
		o.IndexFile, err = filepath.Abs(o.IndexFile)
	} else {
		o.CacheDir, err = filepath.Abs(o.CacheDir)
	}
	s.manifest.index, s.manifest.cache = o.IndexFile, o.CacheDir
	return o, err
}

// ErrSecret means that a shard cannot be opened because its name had credentials, and no server of its mount knows them.
var ErrSecret = errors.New("the name of the shard had credentials, which are not kept")

// OpenShard opens the shard to which the changes belong, in a store; nil means local files. It returns an error if the
// shard was changed since Bind.
func (s *Scratch) OpenShard(ctx context.Context, st store.Store) (*shard.Shard, error) {
	m := &s.manifest
	name := m.shard
	if m.secret {
		told, err := s.Ask()
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", m.name, ErrSecret, err)
		}
		name = string(told.Shard)
	}
	return s.openAs(ctx, name, shard.Options{Store: st, IndexFile: m.index, CacheDir: m.cache})
}

// IsShard reports whether a local file, under any name, is the shard to which the changes belong, as it was at Bind.
func (s *Scratch) IsShard(name string) bool { return shard.IsFile(s.manifest.origin, name) }

// OpenShardAs is OpenShard for a local file that IsShard is true for, and whose name is not the one that Bind was told.
// No index is kept for such a name.
func (s *Scratch) OpenShardAs(ctx context.Context, name string) (*shard.Shard, error) {
	return s.openAs(ctx, name, shard.Options{IndexFile: s.manifest.index})
}

func (s *Scratch) openAs(ctx context.Context, name string, o shard.Options) (*shard.Shard, error) {
	m := &s.manifest
	o.NoIndex, o.AllowTruncated = o.IndexFile == "" && o.CacheDir == "", m.truncated
	sh, err := shard.Open(ctx, name, o)
	if err != nil {
		return nil, err
	}
	sh.Name = m.name
	if !sh.Origin.Same(m.origin) {
		why := ErrReplaced
		if store.IsRemote(m.shard) {
			why = ErrOverwritten
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", m.shard, why), sh.Close())
	}
	return sh, nil
}

// MarkPacked records that the changes with this stamp were packed. It reads the manifest again first, because the
// process that holds the directory may have changed it.
func (s *Scratch) MarkPacked(stamp string) error {
	if err := s.readManifest(); err != nil {
		return err
	}
	s.manifest.packed = stamp
	return s.writeManifest()
}

// Packed reports whether the changes with this stamp were packed.
func (s *Scratch) Packed(stamp string) bool { return s.manifest.packed == stamp }

// XattrPrefix returns the prefix that SetXattrPrefix has recorded; "" if none.
func (s *Scratch) XattrPrefix() string { return s.manifest.xattrPrefix }

// SetXattrPrefix records the prefix of overlayfs's extended attributes in the upper directory.
func (s *Scratch) SetXattrPrefix(prefix string) error {
	s.manifest.xattrPrefix = prefix
	return s.writeManifest()
}
