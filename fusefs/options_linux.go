package fusefs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// ErrOption means that mount options were refused.
var ErrOption = errors.New("mount options refused")

// MountOptions are the options of mount -o. With the zero value only the user who mounts has access, and set-user-ID
// programs and devices do not work.
type MountOptions struct {
	AllowOther bool // users other than the one who mounts have access
	ReadOnly   bool // the mount is read-only

	set, clear uintptr  // changes to the mount(2) flags of the zero value
	fuse       []string // options that only FUSE has
	given      []string // all options, as given
}

// generalFlags are the options that every file system has.
var generalFlags = map[string]struct{ set, clear uintptr }{
	"nosuid":     {set: unix.MS_NOSUID},
	"suid":       {clear: unix.MS_NOSUID},
	"nodev":      {set: unix.MS_NODEV},
	"dev":        {clear: unix.MS_NODEV},
	"noexec":     {set: unix.MS_NOEXEC},
	"exec":       {clear: unix.MS_NOEXEC},
	"noatime":    {set: unix.MS_NOATIME},
	"nodiratime": {set: unix.MS_NODIRATIME},
	"relatime":   {set: unix.MS_RELATIME},
	"sync":       {set: unix.MS_SYNCHRONOUS},
	"dirsync":    {set: unix.MS_DIRSYNC},

	"default_permissions": {}, // always on
}

// ParseMountOptions parses options, one per string. A later option overrides an earlier opposite one. Unknown options
// are passed to FUSE, and if FUSE does not know them either, mounting fails.
func ParseMountOptions(options []string) MountOptions {
	var o MountOptions
	for _, option := range options {
		switch option {
		case "", "rw":
			continue
		case "ro":
			o.ReadOnly = true
			continue
		case "allow_other":
			o.AllowOther = true
			continue
		}
		o.given = append(o.given, option)
		if flags, ok := generalFlags[option]; ok {
			o.set = o.set&^flags.clear | flags.set
			o.clear = o.clear&^flags.set | flags.clear
		} else {
			o.fuse = append(o.fuse, option)
		}
	}
	return o
}

// Flags returns the flags of mount(2) for a file system other than FUSE. If there is an option that only FUSE has, the
// error is an ErrOption that names it.
func (o *MountOptions) Flags() (uintptr, error) {
	if len(o.fuse) > 0 {
		return 0, fmt.Errorf("%w: %s: only FUSE has this option", ErrOption, o.fuse[0])
	}
	return o.flags(), nil
}

// flags returns the flags of mount(2).
func (o *MountOptions) flags() uintptr {
	flags := (unix.MS_NOSUID|unix.MS_NODEV)&^o.clear | o.set
	if o.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	return flags
}

// refused returns the error for a mount that the kernel or fusermount3 has refused for a reason: ErrRefused or, if there
// are options, ErrOption.
func (o *MountOptions) refused(reason error) error {
	given := o.given
	if o.AllowOther {
		given = append([]string{"allow_other"}, given...)
	}
	if len(given) == 0 {
		return fmt.Errorf("%w: %w", ErrRefused, reason)
	}
	return fmt.Errorf("%w: %s: %w", ErrOption, strings.Join(given, ","), reason)
}

// fuseOptions returns the options that only FUSE has.
func (o *MountOptions) fuseOptions() []string {
	return append([]string{"default_permissions"}, o.fuse...) // the kernel checks permissions
}

// helperOptions returns the options for fusermount3, except those that only FUSE has.
func (o *MountOptions) helperOptions(common *fuse.MountOptions) []string {
	options := []string{"subtype=" + common.Name, fmt.Sprintf("max_read=%d", common.MaxWrite)}
	if common.FsName != "" {
		options = append(options, "fsname="+common.FsName)
	}
	if o.AllowOther {
		options = append(options, "allow_other")
	}
	if o.ReadOnly {
		options = append(options, "ro")
	}
	for _, option := range o.given {
		if _, ok := generalFlags[option]; ok {
			options = append(options, option)
		}
	}
	return options
}
