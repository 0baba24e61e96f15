package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holders says which processes keep a mount busy, and by what, as far as this user may see: "1234 (vim) has mnt/a/sample.txt
// open". It returns "" where it finds none.
func holders(mountpoint string) string {
	inside := func(link string) (string, bool) {
		target, err := os.Readlink(link)
		return target, err == nil && within(target, mountpoint)
	}
	const most = 5
	var all []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		how := ""
		if target, ok := inside(process + "/cwd"); ok {
			how = "works in " + target
		} else if target, ok := inside(process + "/root"); ok {
			how = "has its root in " + target
		} else if target, ok := inside(process + "/exe"); ok {
			how = "runs " + target
		}
		files, _ := os.ReadDir(process + "/fd")
		for i := 0; how == "" && i < len(files); i++ {
			if target, ok := inside(process + "/fd/" + files[i].Name()); ok {
				how = "has " + target + " open"
			}
		}
		if how == "" && hasMapped(process, mountpoint, func(string) bool { return true }) {
			how = "has a file of it mapped"
		}
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

// hasMapped reports whether a process has mapped a file below a directory, in a way that counts: as rw-s, or the like.
func hasMapped(process, dir string, counts func(flags string) bool) bool {
	mapped, _ := os.ReadFile(process + "/maps")
	for line := range strings.Lines(string(mapped)) {
		_, flags, _ := strings.Cut(line, " ")
		i := strings.IndexByte(line, '/')
		if i >= 0 && len(flags) > 4 && counts(flags) && within(strings.TrimSuffix(line[i:], "\n"), dir) {
			return true
		}
	}
	return false
}

// writers says which processes can write to files of a mount through memory, as far as this user may see.
func writers(mountpoint string) string {
	var all []string
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if hasMapped(process, mountpoint, func(flags string) bool { return flags[1] == 'w' && flags[3] == 's' }) {
			all = append(all, filepath.Base(process))
		}
	}
	return strings.Join(all, ", ")
}
