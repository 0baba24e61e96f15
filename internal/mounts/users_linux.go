package mounts

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mountUsers describes the processes that keep a mount busy, as far as this user may see them: "1234 (vim) has
// mnt/a/sample.txt open". It returns "" if it finds none.
func mountUsers(mountpoint string) string {
	const most = 5
	var all []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		how := useOf(process, mountpoint)
		pid, _ := strconv.Atoi(filepath.Base(process))
		if how == "" || pid == os.Getpid() {
			continue
		}
		if len(all) == most {
			return strings.Join(all, ", ") + ", and others"
		}
		name, _ := os.ReadFile(process + "/comm")
		all = append(all, fmt.Sprintf("%d (%s) %s", pid, strings.TrimSpace(string(name)), how))
	}
	return strings.Join(all, ", ")
}

// useOf describes how a process, given by its directory in /proc, uses a mount; "" if it does not.
func useOf(process, mountpoint string) string {
	inside := func(link string) (string, bool) {
		target, err := os.Readlink(process + link)
		return target, err == nil && Within(target, mountpoint)
	}
	if target, ok := inside("/cwd"); ok {
		return "works in " + target
	}
	if target, ok := inside("/root"); ok {
		return "has its root in " + target
	}
	if target, ok := inside("/exe"); ok {
		return "runs " + target
	}
	files, _ := os.ReadDir(process + "/fd")
	for _, file := range files {
		if target, ok := inside("/fd/" + file.Name()); ok {
			return "has " + target + " open"
		}
	}
	if hasMapped(process, mountpoint, func(string) bool { return true }) {
		return "has a file of it mapped"
	}
	return ""
}

// WritableMappings returns the IDs of the processes that have a shared, writable mapping of a file of a mount, as far
// as this user may see them: "1234, 1240", or "". A write through memory need not change the file's times.
func WritableMappings(mountpoint string) string {
	var all []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if hasMapped(process, mountpoint, func(perms string) bool { return perms[1] == 'w' && perms[3] == 's' }) {
			all = append(all, filepath.Base(process))
		}
	}
	return strings.Join(all, ", ")
}

// hasMapped reports whether a process has mapped a file in a directory with permissions, such as "rw-s", for which
// counts returns true.
func hasMapped(process, dir string, counts func(perms string) bool) bool {
	mapped, _ := os.ReadFile(process + "/maps")
	for line := range strings.Lines(string(mapped)) {
		// 7f2c00000000-7f2c00001000 rw-s 00000000 00:32 42 /mnt/a/sample.txt
		_, perms, _ := strings.Cut(line, " ")
		i := strings.IndexByte(line, '/')
		if i >= 0 && len(perms) > 4 && counts(perms) && Within(strings.TrimSuffix(line[i:], "\n"), dir) {
			return true
		}
	}
	return false
}
