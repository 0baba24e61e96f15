// Package overlay keeps changes over a shard.
//
// The changes are files in the upper directory of a scratch directory (see internal/scratch), in the layout that the
// kernel's overlayfs has for its upper directories, so that it and this package can continue each other's work: a file
// that was added or changed is at its path, a whiteout stands for what was deleted, and extended attributes mark
// directories that hide or were renamed from one of the shard.
//
// A [Tree] makes changes, on behalf of a mounted file system. An [Overlay] reads them together with the shard, in any
// process and at any time, for pack, status and run. The two share nothing but files, so a killed process loses nothing
// that had been written.
//
// Only this package knows whether a file is the shard's or was changed.
package overlay
