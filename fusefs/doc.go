// Package fusefs serves shards, and changes over them, as FUSE file systems.
//
// [MountReadOnly] mounts a [view.Set], which never changes. The package keeps no state for it, and the kernel caches
// for good whatever it has asked for once. Such a mount may also be the lower directory of the kernel's overlayfs,
// which then keeps changes without asking us.
//
// [MountWritable] mounts an [overlay.Tree], for where overlayfs cannot be mounted. All changes come through the mount,
// so there, too, the kernel caches names, attributes and pages for as long as it likes.
//
// The process that serves a mount must not work in it: a child that it starts in a directory of the mount waits for the
// parent, and the parent for the child.
package fusefs
