// Package server makes shards a mount: it mounts a base at a directory, keeps the changes over it, and stays until
// the mount ends.
//
// A [Base] shows files at a directory. One serves shards by FUSE and cannot be changed; one is overlayfs over any
// such base, so that the kernel keeps the changes; one serves a shard with its changes by FUSE, where overlayfs
// cannot be had. [Serve] chooses one of them for its [Options], in the process that calls it.
//
// That process is the user's own (mount -f), or one that [Start] or [StartPrivate] have started: the same program
// again, whose main function then calls [Accept] for its options and for the link to the process that started it. A
// private server ends with that process, and is started in a mount namespace of its own where there can be one, see
// [Namespace].
package server

import "github.com/shardfs/shardfs/internal/shard"

// Options say what a server shows, where, and where changes go. They can be sent to another process.
type Options struct {
	Names      []string // of the shards; several are a directory each, and cannot be changed
	Mountpoint string   // an empty directory: absolute, without links
	Mount      []string // options of mount(8), such as allow_other; nil: none
	ReadOnly   bool     // the mount cannot be changed
	Changes    Changes  // what keeps the changes of one shard; "": Auto
	Scratch    string   // scratch directory, made if it is missing; "": a temporary one

	IndexFile      string // see shard.Options, as for those below
	CacheDir       string
	NoIndex        bool
	AllowTruncated bool

	// Private says that the mount is for the process that started the server only: it ends with that process, and
	// nothing of it need be on disk, as the changes are thrown away.
	Private bool
}

// Changes says what keeps the changes of a mount.
type Changes string

// What can keep changes.
const (
	Auto   Changes = "auto"   // the kernel, or FUSE where that is not permitted
	Kernel Changes = "kernel" // the kernel's overlayfs
	FUSE   Changes = "fuse"   // this process
)

// SetShardOptions sets the fields that say how a shard is opened.
func (o *Options) SetShardOptions(s shard.Options) {
	o.IndexFile, o.CacheDir, o.NoIndex, o.AllowTruncated = s.IndexFile, s.CacheDir, s.NoIndex, s.AllowTruncated
}
