// Command enter is what containers of tests start with.
package main

import (
	"fmt"
	"os"

	"github.com/shardfs/shardfs/internal/testing/kubernetes/sandbox"
)

// status is that of a container whose command cannot be started, as runtimes tell it.
const status = 128

func main() {
	fmt.Fprintln(os.Stderr, "container:", sandbox.Enter())
	os.Exit(status)
}
