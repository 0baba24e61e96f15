// Package server serves shards as a mount: it mounts a base at a directory, keeps the changes over it, and runs until
// the mount ends.
//
// A base shows files at a directory. One kind serves shards by FUSE, read-only; one is overlayfs over any such base,
// so that the kernel keeps the changes; one serves a shard with its changes by FUSE, where overlayfs is not available.
// [Serve] chooses the kind by its [Options] and serves from the process that calls it.
//
// The user started that process (mount -f), or [Start] or [StartPrivate] did. They run the same program again; its main
// function calls [Accept] to get the options and the link to its parent process. A private server ends with its parent,
// and mounts in a private mount namespace where the kernel allows one, see [Namespace].
package server

import "github.com/shardfs/shardfs/internal/shard"

// Options configure a server: which shards it shows, where, and where changes go. They can be sent to another process.
type Options struct {
	Names      []string // of the shards; each of several gets a directory, and is read-only
	Mountpoint string   // an empty directory: absolute, without links
	Made       string   // tells it from other directories, if it is to be removed with the mount; see mounts.Make
	Mount      []string // options of mount(8), such as allow_other; nil means none
	ReadOnly   bool     // the mount is read-only
	Base       Base     // what shows unchanged files; "" means BaseAuto
	Changes    Changes  // how changes to one shard are kept; "" means Auto
	Scratch    string   // scratch directory, created if missing; "" means a temporary one
	SpoolDir   string   // see shard.Options; "" means the scratch directory

	IndexFile      string // see shard.Options, as for those below
	CacheDir       string
	CacheSize      int64 // bytes of cached index files, and of blocks in memory; 0 means the defaults of package shard
	NoIndex        bool
	AllowTruncated bool

	// Private is set if the mount is only for the process that started the server: it ends with that process, and its
	// changes are discarded, so they need not reach the disk.
	Private bool
}

// Base selects what shows the files of a shard that nobody has changed.
type Base string

// The bases.
const (
	BaseAuto   Base = "auto"   // BaseKernel where that shows the same as BaseFUSE, and may be mounted; else BaseFUSE
	BaseKernel Base = "kernel" // the kernel's EROFS, with names from the index
	BaseFUSE   Base = "fuse"   // FUSE
)

// Changes selects how the changes of a mount are kept.
type Changes string

// The ways to keep changes.
const (
	Auto   Changes = "auto"   // Kernel where that is permitted, else FUSE
	Kernel Changes = "kernel" // the kernel's overlayfs
	FUSE   Changes = "fuse"   // a writable FUSE file system in the server's process
)

// SetShardOptions sets the fields that configure how a shard is opened.
func (o *Options) SetShardOptions(s shard.Options) {
	o.IndexFile, o.CacheDir, o.NoIndex, o.AllowTruncated = s.IndexFile, s.CacheDir, s.NoIndex, s.AllowTruncated
	o.CacheSize = s.Shared.CacheSize()
}
