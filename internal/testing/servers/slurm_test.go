package servers

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// The job of a node that is cut off goes on, and is started again on another one; that of a node without power ends at once.
// No process survives the cluster.
func TestSlurm(t *testing.T) {
	dir := t.TempDir()
	lines := func(file string) []string {
		b, _ := os.ReadFile(filepath.Join(dir, file))
		return strings.Fields(string(b))
	}
	var nodes []int
	t.Run("cluster", func(t *testing.T) {
		c := Slurm(t, "a", "b")
		for _, s := range c.nodes {
			nodes = append(nodes, s.PID)
		}
		c.Run(t, "#!/bin/sh\ncd "+dir+`
exec 9>>$SLURMD_NODENAME.lock
flock 9
echo $SLURMD_NODENAME >>began
until test -e go; do sleep 0.1; done
echo $SLURMD_NODENAME >>ended
test $SLURMD_NODENAME = b && sleep 1000
`, "sbatch", "--requeue", "--output="+filepath.Join(dir, "log"))
		testtime.Eventually(t, "the start of the job", func() bool { return len(lines("began")) == 1 })
		c.CutOff(t, "a")
		testtime.Eventually(t, "the second start of the job", func() bool { return len(lines("began")) == 2 })
		write(t, filepath.Join(dir, "go"), "")
		testtime.Eventually(t, "the end of both", func() bool { return len(lines("ended")) == 2 })
		if got := strings.Join(lines("began"), " "); got != "a b" {
			t.Errorf("the job has run on nodes %s", got)
		}
		c.PowerOff(t, "b")
		lock, err := os.Open(filepath.Join(dir, "b.lock"))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		testtime.Eventually(t, "the end of the job", func() bool {
			return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
		})
	})
	for _, pid := range nodes {
		testtime.Eventually(t, "the end of a node", func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH })
	}
}
