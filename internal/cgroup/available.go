package cgroup

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Available returns how many bytes of memory this process could take now without swapping: what the machine has, and
// what its groups leave it, each without files that are only cached. It is 0 if the machine does not tell.
func Available() int64 { return available("/") }

// available is Available for the files below root.
func available(root string) int64 {
	machine := fields(filepath.Join(root, "proc/meminfo"))
	least := machine["MemAvailable:"] << 10
	for dir := range groups(root, "memory") {
		limit, used := limitOf(dir), int64(0)
		if limit == math.MaxInt64 {
			continue
		}
		for _, name := range []string{"memory.current", "memory.usage_in_bytes"} {
			if n, ok := number(filepath.Join(dir, name)); ok {
				used = n
			}
		}
		stat := fields(filepath.Join(dir, "memory.stat"))
		cached := stat["active_file"] + stat["inactive_file"]
		if n, ok := stat["total_active_file"]; ok { // version 1: with the groups below, as its usage
			cached = n + stat["total_inactive_file"]
		}
		least = min(least, limit-used+min(cached, used))
	}
	return max(least, 0)
}

// number returns the number in a file; false for other texts, such as "max".
func number(name string) (int64, bool) {
	b, _ := os.ReadFile(name)
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil && n >= 0
}

// fields returns the numbers of a file of lines with a name and a number.
func fields(name string) map[string]int64 {
	b, _ := os.ReadFile(name)
	all := make(map[string]int64)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) >= 2 {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				all[f[0]] = n
			}
		}
	}
	return all
}
