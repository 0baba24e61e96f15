// Package overlay keeps changes over a shard.
//
// The changes are files in the upper directory of a scratch directory (see internal/scratch). The layout is that of
// overlayfs upper directories, so the kernel and this package can continue each other's changes: added and changed
// files are at their paths, a whiteout marks a deleted file, and extended attributes mark directories that hide a
// directory of the shard or were renamed.
//
// A [Tree] makes changes, for a mounted file system. An [Overlay] reads the shard with its changes, in any process and
// at any time, for pack, status and run. The two share only files, so a killed process loses no written data.
//
// Only this package knows whether a file comes from the shard or from the changes.
package overlay
