package main

import (
	"os"
	"strings"
	"unsafe"

	"github.com/shardfs/shardfs/internal/store"
)

// ownArguments returns the arguments of this process, and removes credentials and queries of URLs from what ps shows of
// them. That is where the kernel has put them, so os.Args becomes a copy. It is called before anything else has kept one.
func ownArguments() []string {
	shown := os.Args
	os.Args = make([]string, len(shown))
	for i, arg := range shown {
		os.Args[i] = strings.Clone(arg)
		if text := store.RedactText(os.Args[i]); text != os.Args[i] {
			b := unsafe.Slice(unsafe.StringData(arg), len(arg)) // writable: it is on the first thread's stack
			for n := copy(b, text); n < len(b); n++ {
				b[n] = ' '
			}
		}
	}
	return os.Args[1:]
}
