// Package skip says, in the same words everywhere, what a test did without.
//
// Each message begins with the same mark, so that `go test -v ./... | grep SKIPPED` lists everything that was not
// tested on a machine. `make test` ends with that list.
//
// Only tests import this package.
package skip

import (
	"fmt"
	"testing"
)

// mark begins each message.
const mark = "SKIPPED: "

// Without skips a test that needs what this machine lacks. The format and its arguments say what that is, and why it
// is missing: "python3: %v".
func Without(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Skip(mark + t.Name() + " needs " + fmt.Sprintf(format, args...))
}

// Part notes that a part of a test was left out, while the rest of it goes on. The format and its arguments are as
// those of Without.
func Part(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Log(mark + "a part of " + t.Name() + " needs " + fmt.Sprintf(format, args...))
}
