package guard

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// residentFile returns the kilobytes of files that this process has mapped and in memory.
func residentFile(t *testing.T) (kib int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &kib); n == 1 {
			return kib
		}
	}
	t.Fatal("the kernel does not say")
	return 0
}

// The process has less of its program in memory, and goes on.
func TestTrim(t *testing.T) {
	before := residentFile(t)
	trim()
	if after := residentFile(t); after >= before {
		t.Errorf("%d KiB, and %d before", after, before)
	}
}
