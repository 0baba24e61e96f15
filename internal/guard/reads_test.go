package guard

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Threads that wait within the kernel are found by the functions that they execute there.
func TestExecuting(t *testing.T) {
	if _, err := os.ReadFile("/proc/self/stack"); err != nil {
		skip.Without(t, "stacks of the kernel: %v", err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		unix.Read(pipe[0], make([]byte, 1))
		close(ended)
	}()
	testtime.Eventually(t, "a thread that reads a pipe", func() bool { return len(executing("pipe_read")) > 0 })
	unix.Close(pipe[1])
	<-ended
	unix.Close(pipe[0])
	if len(executing("no_such_function")) > 0 {
		t.Error("a function that does not exist is executed")
	}
}
