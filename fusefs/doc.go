// Package fusefs shows an overlay as a file system of the kernel.
//
// A [Server] answers the kernel's requests from an [overlay.Tree], which it translates one to one: the package keeps
// open listings and nothing else. All changes go through the mount, so the kernel may keep names, attributes and pages
// for as long as it likes. The process that serves a mount must not work in it: a child that it starts in a directory of
// the mount waits for the parent, and the parent for the child.
package fusefs
