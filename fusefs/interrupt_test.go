package fusefs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/view"
)

// stuck is a kind of mount whose shard is in a store that blocks all reads once it is mounted.
const stuck = "stuck"

// mountStuck mounts a shard file from such a store. It prints a line for each waiting read.
func mountStuck(name, mountpoint string, o Options) (*Server, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := memory.New()
	s.Put("memory://shard.tar", content)
	sh, err := shard.Open(context.Background(), "memory://shard.tar", shard.Options{Store: s, NoIndex: true})
	if err != nil {
		return nil, err
	}
	fault, _ := memory.Blocked()
	s.SetFault(func(ctx context.Context, r memory.Read) (int, error) {
		fmt.Println("a read waits")
		n, err := fault(ctx, r)
		fmt.Println("a read ends with", err)
		return n, err
	})
	return MountReadOnly(view.One(sh), mountpoint, o)
}

// A process that reads from a store that does not answer ends when it is interrupted, and so does the read of the
// store.
func TestInterruptedRead(t *testing.T) {
	m := mountMembers(t, stuck, samples(3)...)
	name := m.path("000001/sample.jpg")
	// The page cache is not used, because the kernel does not interrupt reads into it; they may end after the process.
	cmd := exec.Command("dd", "if="+name, "of=/dev/null", "iflag=direct", "bs=4096", "status=none")
	check(t, cmd.Start())
	m.waitLog("a read waits", 1)
	check(t, cmd.Process.Signal(unix.SIGTERM)) // a test that runs in the background of a shell ignores SIGINT
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := testtime.Receive(t, ended, "the end of the process"); err == nil {
		t.Error("the process has read the file")
	}
	m.waitLog("a read ends with context canceled", 1)
}
