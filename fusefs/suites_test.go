package fusefs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// Test suites of other projects run in a sample's directory, with -long and where they are installed.

// runSuite runs a command in a sample's directory of both kinds of mounts and returns what it has printed.
func runSuite(t *testing.T, test func(t *testing.T, dir string)) {
	if !*long {
		skip.Without(t, "-long, as it takes minutes")
	}
	needRoot(t)
	withChanges(t, func(t *testing.T, kind string) {
		m := mountMembers(t, kind, samples(3)...)
		dir := m.path("000001/suite")
		check(t, os.Mkdir(dir, 0o755))
		test(t, dir)
		check(t, os.RemoveAll(dir))
	})
}

func needTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skip.Without(t, "%s", name)
	}
}

// tool runs a program in a directory and ends the test if it fails.
func tool(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(argv, " "), err, out[max(0, len(out)-3000):])
	}
	return string(out)
}

// TestFio writes blocks in every order and reads them back.
func TestFio(t *testing.T) {
	needTool(t, "fio")
	runSuite(t, func(t *testing.T, dir string) {
		for _, engine := range []string{"psync", "mmap"} {
			tool(t, dir, "fio", "--name=f", "--directory="+dir, "--size=32m", "--rw=randrw", "--bs=4k",
				"--verify=crc32c",
				"--verify_fatal=1", "--do_verify=1", "--ioengine="+engine)
		}
	})
}

// TestStressNG does what users of file systems do, many at a time.
func TestStressNG(t *testing.T) {
	needTool(t, "stress-ng")
	runSuite(t, func(t *testing.T, dir string) {
		for _, stressor := range []string{"hdd", "rename", "dir", "dirdeep", "link", "symlink", "getdent", "utime"} {
			tool(t, dir, "stress-ng", "--temp-path", dir, "--"+stressor, "1", "--timeout", "5", "--verify")
		}
	})
}

// TestPjdfstest runs the conformance suite that PJDFSTEST names the directory of, with its program built.
func TestPjdfstest(t *testing.T) {
	suite := os.Getenv("PJDFSTEST")
	if suite == "" {
		skip.Without(t, "PJDFSTEST, the directory of pjdfstest")
	}
	needTool(t, "prove")
	runSuite(t, func(t *testing.T, dir string) {
		out := tool(t, dir, "prove", "-j2", "-r", filepath.Join(suite, "tests"))
		counts := regexp.MustCompile(`Files=\d+, Tests=(\d+)`).FindStringSubmatch(out)
		if counts == nil || len(counts[1]) < 4 {
			t.Errorf("hardly anything was tested: %v", counts)
			return
		}
		fmt.Printf("%s: %s tests passed\n", t.Name(), counts[1])
	})
}
