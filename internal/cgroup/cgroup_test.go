package cgroup

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// The smallest quota of all groups counts, rounded up, if it is less than the affinity.
func TestCPUs(t *testing.T) {
	const two, one = "0::/a/b\n", "12:pids:/x\n4:cpu,cpuacct:/a/b\n1:name=systemd:/y\n"
	for _, tt := range []struct {
		name  string
		own   string // /proc/self/cgroup
		files map[string]string
		want  int
	}{
		{"nothing", "", nil, 8},
		{"no quota", two, map[string]string{"a/b/cpu.max": "max 100000\n", "a/cpu.max": "max 100000\n"}, 8},
		{"a quota", two, map[string]string{"a/b/cpu.max": "300000 100000\n"}, 3},
		{"of a group above", two, map[string]string{"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "10000 10000\n"}, 1},
		{"of the root, as in a container", "0::/\n", map[string]string{"cpu.max": "250000 100000\n"}, 3},
		{"less than one", two, map[string]string{"a/b/cpu.max": "5000 100000\n"}, 1},
		{"more than there are", two, map[string]string{"a/b/cpu.max": "9900000 100000\n"}, 8},
		{"nonsense", two, map[string]string{"a/b/cpu.max": "0 0\n", "a/cpu.max": "x y\n"}, 8},
		{"version 1", one, map[string]string{
			"cpu,cpuacct/a/b/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
		}, 2},
		{"version 1 without a quota", one, map[string]string{
			"cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
		}, 8},
		{"version 1 in a container", "4:cpu,cpuacct:/docker/1234\n", map[string]string{
			"cpu,cpuacct/cpu.cfs_quota_us": "400000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
		}, 4},
	} {
		root := tree(t, tt.own, tt.files)
		if got := cpus(root, 8); got != tt.want {
			t.Errorf("%s: %d CPUs, want %d", tt.name, got, tt.want)
		}
	}
	if n := CPUs(); n < 1 {
		t.Errorf("this process may use %d CPUs", n)
	}
}

// tree returns a root with the files of a process's groups.
func tree(t *testing.T, own string, groups map[string]string) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, "proc/self/cgroup", own)
	for name, text := range groups {
		write(t, root, filepath.Join("sys/fs/cgroup", name), text)
	}
	return root
}

// write writes a file below root.
func write(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The smallest limit of all groups counts.
func TestMemory(t *testing.T) {
	const two, one = "0::/a/b\n", "9:memory:/a/b\n1:cpu:/\n"
	for _, tt := range []struct {
		name  string
		own   string
		files map[string]string
		want  int64
	}{
		{"nothing", "", nil, math.MaxInt64},
		{"no limit", two, map[string]string{"a/b/memory.max": "max\n"}, math.MaxInt64},
		{"a limit", two, map[string]string{"a/b/memory.max": "100663296\n"}, 96 << 20},
		{"above", two, map[string]string{"a/b/memory.max": "max\n", "a/memory.max": "67108864\n"}, 64 << 20},
		{"throttled", two, map[string]string{
			"a/b/memory.max": "100663296\n", "a/b/memory.high": "50000000\n",
		}, 50_000_000},
		{"version 1", one, map[string]string{"memory/a/b/memory.limit_in_bytes": "100663296\n"}, 96 << 20},
		{"version 1 without a limit", one,
			map[string]string{"memory/a/b/memory.limit_in_bytes": "9223372036854771712\n"}, 9223372036854771712},
		{"version 1 in a container", one, map[string]string{"memory/memory.limit_in_bytes": "1000000\n"}, 1_000_000},
	} {
		if got := memory(tree(t, tt.own, tt.files)); got != tt.want {
			t.Errorf("%s: %d bytes, want %d", tt.name, got, tt.want)
		}
	}
}
