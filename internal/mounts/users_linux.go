package mounts

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/prefetch"
)

// namespaces knows where the mounts of one file system are in each mount namespace.
type namespaces struct {
	device string
	mounts map[string][]Mount // by the namespace, as /proc names it
}

func newNamespaces(device string) *namespaces {
	return &namespaces{device: device, mounts: make(map[string][]Mount)}
}

// namespaceOf returns the mount namespace of a process, given by its directory in /proc; "" if this user may not know.
func namespaceOf(process string) string {
	name, _ := os.Readlink(process + "/ns/mnt")
	return name
}

// of returns the mounts in the namespace of a process, with the paths that the process uses.
func (n *namespaces) of(process string) []Mount {
	name := namespaceOf(process)
	mounts, known := n.mounts[name]
	if !known && name != "" {
		table, _ := os.ReadFile(process + "/mountinfo")
		mounts = ofDevice(parse(string(table)), n.device)
		n.mounts[name] = mounts
	}
	return mounts
}

// Users describes the processes that use the mounts of a device, in any mount namespace, as far as this user may see
// them: "1234 (vim) has mnt/a/sample.txt open". It returns "" if it finds none.
func Users(device string) string { return newNamespaces(device).users() }

func (n *namespaces) users() string {
	const most = 5
	var all []string
	for _, process := range processes() {
		pid, _ := strconv.Atoi(filepath.Base(process))
		mounts := n.of(process)
		if len(mounts) == 0 || pid == os.Getpid() {
			continue
		}
		name, _ := os.ReadFile(process + "/comm")
		if string(name) == prefetch.Name+"\n" {
			continue // it is done in a moment
		}
		how := useOf(process, mounts)
		if how == "" {
			continue
		}
		if len(all) == most {
			return strings.Join(all, ", ") + ", and others"
		}
		all = append(all, fmt.Sprintf("%d (%s) %s", pid, strings.TrimSpace(string(name)), how))
	}
	return strings.Join(all, ", ")
}

// processes returns the directories in /proc of all processes.
func processes() []string {
	all, _ := filepath.Glob("/proc/[0-9]*")
	return all
}

// useOf describes how a process, given by its directory in /proc, uses one of mounts; "" if it does not.
func useOf(process string, mounts []Mount) string {
	inside := func(link string) (string, bool) {
		st, err := statMount(process + link)
		if err != nil || !slices.ContainsFunc(mounts, func(m Mount) bool { return m.ID == st.Mnt_id }) {
			return "", false
		}
		target, err := os.Readlink(process + link)
		return target, err == nil
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
	if hasMapped(process, mounts, func(string) bool { return true }) {
		return "has a file of it mapped"
	}
	return ""
}

// WritableMappings returns the IDs of the processes that have a shared, writable mapping of a file of a device, as far
// as this user may see them: "1234, 1240", or "". A write through memory need not change the file's times.
func WritableMappings(device string) string {
	var all []string
	seen := newNamespaces(device)
	for _, process := range processes() {
		mounts := seen.of(process)
		if len(mounts) > 0 && hasMapped(process, mounts, func(perms string) bool {
			return perms[1] == 'w' && perms[3] == 's'
		}) {
			all = append(all, filepath.Base(process))
		}
	}
	return strings.Join(all, ", ")
}

// hasMapped reports whether a process has mapped a file of one of mounts with permissions, such as "rw-s", for which
// counts returns true.
func hasMapped(process string, mounts []Mount, counts func(perms string) bool) bool {
	mapped, _ := os.ReadFile(process + "/maps")
	for line := range strings.Lines(string(mapped)) {
		// 7f2c00000000-7f2c00001000 rw-s 00000000 00:32 42 /mnt/a/sample.txt
		_, perms, _ := strings.Cut(line, " ")
		i := strings.IndexByte(line, '/')
		if i < 0 || len(perms) <= 4 || !counts(perms) {
			continue
		}
		name := strings.TrimSuffix(line[i:], "\n")
		if slices.ContainsFunc(mounts, func(m Mount) bool { return Within(name, m.Mountpoint) }) {
			return true
		}
	}
	return false
}
