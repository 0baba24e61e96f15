package cgroup

import "testing"

// The least of the machine and of all groups counts, without files that are only cached.
func TestAvailable(t *testing.T) {
	const two, one = "0::/a/b\n", "9:memory:/a\n1:cpu:/\n"
	const meminfo = "MemTotal: 2000 kB\nMemAvailable:   1000 kB\n"
	for _, tt := range []struct {
		name, own, meminfo string
		files              map[string]string
		want               int64
	}{
		{"nothing", "", "", nil, 0},
		{"the machine", two, meminfo,
			map[string]string{"a/memory.max": "max\n", "a/memory.current": "5\n"}, 1000 << 10},
		{"a group", two, meminfo, map[string]string{"a/b/memory.max": "9000\n", "a/b/memory.current": "4000\n"}, 5000},
		{"above", two, meminfo, map[string]string{
			"a/b/memory.max": "9000\n", "a/memory.max": "8000\n", "a/memory.current": "7000\n",
			"a/memory.stat": "anon 500\nactive_file 1000\ninactive_file 2000\nshmem 300\n",
		}, 4000},
		{"throttled", two, meminfo, map[string]string{
			"a/memory.max": "9000\n", "a/memory.high": "6000\n", "a/memory.current": "1000\n",
		}, 5000},
		{"over its limit", two, meminfo, map[string]string{"a/memory.high": "10\n", "a/memory.current": "20\n"}, 0},
		{"version 1", one, meminfo, map[string]string{
			"memory/a/memory.limit_in_bytes": "9000\n", "memory/a/memory.usage_in_bytes": "6000\n",
			"memory/a/memory.stat": "active_file 1\ninactive_file 1\ntotal_active_file 100\ntotal_inactive_file 200\n",
		}, 3300},
		{"version 1 without a limit", one, meminfo,
			map[string]string{"memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, 1000 << 10},
	} {
		root := tree(t, tt.own, tt.files)
		write(t, root, "proc/meminfo", tt.meminfo)
		if got := available(root); got != tt.want {
			t.Errorf("%s: %d bytes, want %d", tt.name, got, tt.want)
		}
	}
	if n := Available(); n <= 0 {
		t.Errorf("%d bytes are available", n)
	}
}
