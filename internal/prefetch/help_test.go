package prefetch

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func check(t *testing.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// selfRun runs the test binary with Variable and an input to its end.
func selfRun(t *testing.T, in []byte) (*os.ProcessState, []byte) {
	t.Helper()
	self, err := os.Executable()
	check(t, err)
	cmd := exec.Command(self)
	cmd.Env = []string{Variable + "=1"}
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	check(t, err)
	return cmd.ProcessState, out
}

// childrenNamed returns the directories in /proc of the children of this process with a name.
func childrenNamed(t *testing.T, name string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/task/*/children")
	check(t, err)
	for _, list := range all {
		pids, _ := os.ReadFile(list)
		for _, pid := range strings.Fields(string(pids)) {
			if comm, _ := os.ReadFile("/proc/" + pid + "/comm"); strings.TrimSpace(string(comm)) == name {
				found = append(found, "/proc/"+pid)
			}
		}
	}
	return found
}

func readDir(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
