// Package skip skips tests with uniform messages about what the machine lacks.
//
// Each message begins with the same mark, so that `go test -v ./... | grep SKIPPED` lists everything that was not
// tested on a machine. `make test` ends with that list.
//
// Only tests import this package.
package skip

import (
	"fmt"
	"os"
	"testing"
)

// mark begins each message.
const mark = "SKIPPED: "

// Without skips a test that needs something that this machine lacks. The format and its arguments say what, and why it
// is missing: "python3: %v".
func Without(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Skip(mark + t.Name() + " needs " + fmt.Sprintf(format, args...))
}

// Needed is Without for what .ci/run installs: where SHARDFS_NEED_SERVERS is set, as there, the test fails.
func Needed(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("SHARDFS_NEED_SERVERS") != "" {
		t.Fatalf("SHARDFS_NEED_SERVERS is set, and there is no "+format, args...)
	}
	Without(t, format, args...)
}

// Part logs that a part of a test is skipped, and the test continues. The format and its arguments are like those of
// Without.
func Part(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Log(mark + "a part of " + t.Name() + " needs " + fmt.Sprintf(format, args...))
}
