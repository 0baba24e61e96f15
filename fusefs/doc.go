// Package fusefs shows shards, and changes over them, as file systems of the kernel.
//
// [Show] mounts a [view.Set], of which nothing changes: the package keeps nothing, and the kernel whatever it was told once.
// [Overlay] mounts that below the kernel's overlayfs, which keeps changes without asking us. [Change] mounts an
// [overlay.Tree], where overlayfs may not be mounted: all changes go through the mount, so there, too, the kernel keeps names,
// attributes and pages for as long as it likes.
//
// The process that serves a mount must not work in it: a child that it starts in a directory of the mount waits for the
// parent, and the parent for the child.
package fusefs
