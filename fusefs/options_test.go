package fusefs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func TestMountOptions(t *testing.T) {
	const nosuid, nodev, noexec = unix.MS_NOSUID, unix.MS_NODEV, unix.MS_NOEXEC
	for _, tt := range []struct {
		options string
		flags   uintptr
		fuse    []string // beside default_permissions
		helper  string
		refused string // by a file system other than FUSE
	}{
		{"", nosuid | nodev, nil, "", ""},
		{"rw,,rw", nosuid | nodev, nil, "", ""},
		{"ro", nosuid | nodev | unix.MS_RDONLY, nil, "ro", ""},
		{"allow_other", nosuid | nodev, nil, "allow_other", ""},
		{"suid,noexec", nodev | noexec, nil, "suid,noexec", ""},
		{"suid,dev", 0, nil, "suid,dev", ""},
		{"noexec,exec,suid,nosuid", nosuid | nodev, nil, "noexec,exec,suid,nosuid", ""},
		{"noatime,nodiratime,sync", nosuid | nodev | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_SYNCHRONOUS, nil,
			"noatime,nodiratime,sync", ""},
		{"default_permissions", nosuid | nodev, nil, "default_permissions", ""},
		{"max_read=4096,relatime", nosuid | nodev | unix.MS_RELATIME, []string{"max_read=4096"}, "relatime",
			"max_read=4096"},
	} {
		o := ParseMountOptions(strings.Split(tt.options, ","))
		if got := o.flags(); got != tt.flags {
			t.Errorf("%q: flags %#x, want %#x", tt.options, got, tt.flags)
		}
		if got, want := o.fuseOptions(), append([]string{"default_permissions"}, tt.fuse...); !slices.Equal(got, want) {
			t.Errorf("%q: for FUSE %q, want %q", tt.options, got, want)
		}
		common := fuse.MountOptions{Name: "n", MaxWrite: 1}
		if got, want := strings.Join(o.helperOptions(&common)[2:], ","), tt.helper; got != want {
			t.Errorf("%q: for fusermount3 %q, want %q", tt.options, got, want)
		}
		flags, err := o.Flags()
		switch {
		case tt.refused == "" && (err != nil || flags != tt.flags):
			t.Errorf("%q: Flags = %#x, %v", tt.options, flags, err)
		case tt.refused != "" && (!errors.Is(err, ErrOption) || !strings.Contains(err.Error(), tt.refused)):
			t.Errorf("%q: Flags: %v, want that %q is refused", tt.options, err, tt.refused)
		}
	}
}

// The error has the message of fusermount3, in one line.
func TestHelperRefuses(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	dir := t.TempDir()
	var o Options
	if _, err := mountByHelper(nil, dir, &o, fuse.MountOptions{}); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("without the program: %v", err)
	}
	for _, tt := range []struct{ script, want string }{
		{"echo fusermount3: only allowed if >&2; exit 1", "fusermount3: only allowed if"},
		{"echo fusermount3: one >&2; echo fusermount3: two >&2; exit 1", "fusermount3: one; two"},
		{"exit 3", "fusermount3: exit status 3"},
		{"exit 0", "fusermount3: it has sent no connection"},
	} {
		check(t, os.WriteFile(filepath.Join(bin, fusermount), []byte("#!/bin/sh\n"+tt.script+"\n"), 0o755))
		_, err := mountByHelper(nil, dir, &o, fuse.MountOptions{})
		if !errors.Is(err, errHelper) || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.script, err, tt.want)
		}
	}
	if err := o.refused(errHelper); !errors.Is(err, ErrRefused) || err.Error() != "mount refused: fusermount3" {
		t.Error(err)
	}
	o.MountOptions = ParseMountOptions([]string{"noatime", "allow_other"})
	err := o.refused(errHelper)
	if !errors.Is(err, ErrOption) || err.Error() != "mount options refused: allow_other,noatime: fusermount3" {
		t.Error(err)
	}
}

// The real fusermount3 mounts and unmounts.
func TestHelper(t *testing.T) {
	needFUSE(t)
	needTool(t, fusermount)
	dir := filepath.Join(t.TempDir(), `a,b\c d`)
	check(t, os.Mkdir(dir, 0o755))
	o := Options{MountOptions: ParseMountOptions([]string{"noexec", "ro"})}
	fs := emptyFS{fuse.NewDefaultRawFileSystem()}
	server, err := mountByHelper(fs, dir, &o, fuse.MountOptions{Name: "shardfs", FsName: `x,y\z`})
	check(t, err)
	go server.Serve()
	var st unix.Statfs_t
	check(t, unix.Statfs(dir, &st))
	if st.Flags&(unix.ST_NOEXEC|unix.ST_RDONLY) != unix.ST_NOEXEC|unix.ST_RDONLY {
		t.Errorf("flags %#x, want noexec and ro", st.Flags)
	}
	if table := read(t, "/proc/self/mountinfo"); !strings.Contains(table, ` fuse.shardfs x,y\134z `) {
		t.Errorf("the source is not in\n%s", table)
	}
	check(t, Unmount(dir, false))
	server.Wait()
}

// emptyFS is a file system of an empty root directory.
type emptyFS struct{ fuse.RawFileSystem }

func (emptyFS) GetAttr(_ <-chan struct{}, _ *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	out.Mode, out.Nlink = unix.S_IFDIR|0o755, 2
	return fuse.OK
}
func (emptyFS) StatFs(<-chan struct{}, *fuse.InHeader, *fuse.StatfsOut) fuse.Status { return fuse.OK }
