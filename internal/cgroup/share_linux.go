package cgroup

import (
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Share returns how many bytes of memory a cache may take: at most most, an eighth of the machine's memory, and a quarter
// of the limit of the Go runtime's.
func Share(most int64) int64 {
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) == nil {
		most = min(most, int64(machine.Totalram)*int64(machine.Unit)/8)
	}
	return min(most, debug.SetMemoryLimit(-1)/4)
}
