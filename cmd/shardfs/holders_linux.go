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
		if how == "" && hasMapped(process, mountpoint) {
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

// hasMapped reports whether a process has mapped a file below a directory.
func hasMapped(process, dir string) bool {
	mapped, _ := os.ReadFile(process + "/maps")
	for line := range strings.Lines(string(mapped)) {
		if i := strings.IndexByte(line, '/'); i >= 0 && within(strings.TrimSpace(line[i:]), dir) {
			return true
		}
	}
	return false
}
