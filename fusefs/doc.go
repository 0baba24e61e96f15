// Package fusefs serves shards, and changes over them, as FUSE file systems.
//
// [MountReadOnly] mounts a [view.Set], which never changes. The package keeps no state for it, and the kernel caches
// every reply for the life of the mount. Such a mount may also be the lower directory of the kernel's overlayfs, which
// then keeps changes without this process.
//
// [MountWritable] mounts an [overlay.Tree], where overlayfs cannot be mounted. All changes are made through the mount,
// so here, too, the kernel may cache names, attributes and pages without limit.
//
// [MountFiles] mounts a few files whose bytes are computed as they are read, for the kernel to mount another file system
// from.
//
// The process that serves a mount must not use it. For example, if it starts a child in a directory of the mount,
// parent and child wait for each other.
package fusefs
