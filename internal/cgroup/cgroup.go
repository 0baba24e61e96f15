// Package cgroup says how much of the machine the control groups of this process let it use.
//
// A process is in one group of each hierarchy, version 1 or 2, and the limits of all groups above count too. What cannot
// be read, as without /proc, limits nothing.
package cgroup

import (
	"iter"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// CPUs returns how many CPUs this process may use: those of its affinity, unless a quota allows less. It is at least 1.
func CPUs() int { return cpus("/", runtime.NumCPU()) }

// cpus is CPUs for the files below root and a number of CPUs in the affinity.
func cpus(root string, most int) int {
	for dir := range groups(root, "cpu") {
		if quota := quotaOf(dir); quota > 0 {
			most = min(most, int(math.Ceil(quota)))
		}
	}
	return max(most, 1)
}

// quotaOf returns how many CPUs a group may use; 0 if it has no quota.
func quotaOf(dir string) float64 {
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.TrimSpace(string(b))
	}
	quota, period, _ := strings.Cut(read("cpu.max"), " ")
	if quota == "" {
		quota, period = read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")
	}
	q, err := strconv.ParseFloat(quota, 64) // not a number: "max"
	p, periodErr := strconv.ParseFloat(period, 64)
	if err != nil || periodErr != nil || q <= 0 || p <= 0 { // -1 is no quota, too
		return 0
	}
	return q / p
}

// Memory returns how many bytes of memory the groups let their processes use together; math.MaxInt64 if they set no limit.
func Memory() int64 { return memory("/") }

// memory is Memory for the files below root.
func memory(root string) int64 {
	least := int64(math.MaxInt64)
	for dir := range groups(root, "memory") {
		least = min(least, limitOf(dir))
	}
	return least
}

// limitOf returns how many bytes of memory a group may use; math.MaxInt64 if it has no limit.
func limitOf(dir string) int64 {
	least := int64(math.MaxInt64)
	for _, name := range []string{"memory.max", "memory.high", "memory.limit_in_bytes"} {
		// Version 2 says "max" for no limit, version 1 the greatest number of whole pages, which limits nothing.
		if n, ok := number(filepath.Join(dir, name)); ok && n > 0 {
			least = min(least, n)
		}
	}
	return least
}

// groups yields the directories of the groups that this process is in and that limit a controller, from the inside out.
func groups(root, controller string) iter.Seq[string] {
	return func(yield func(dir string) bool) {
		b, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
		for line := range strings.Lines(string(b)) {
			fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
			if len(fields) < 3 || fields[1] != "" && !slices.Contains(strings.Split(fields[1], ","), controller) {
				continue
			}
			mount := filepath.Join(root, "sys/fs/cgroup", fields[1]) // version 2 names no controllers
			for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
				if !yield(filepath.Join(mount, group)) {
					return
				}
				if group == "/" {
					break
				}
			}
		}
	}
}
