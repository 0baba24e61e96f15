// Package prefetch reads files of a mount ahead of its users, in a process of its own.
//
// A server must not use its own mount: if it were killed while it waits for itself, it would never end. So [Process]
// starts the same program again, whose main function calls [Run]. That process opens the files that it is told of one
// after the other, and tells the kernel that it will need them. It holds nothing of the mount in between, so that it does
// not keep the mount from being unmounted for longer than that takes. It ends with the server.
package prefetch
