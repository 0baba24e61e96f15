package fusefs

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/overlay"
	"github.com/shardfs/shardfs/internal/view"
)

// Why a file system is not mounted.
var (
	ErrOption  = errors.New("mount options refused")
	errRefused = errors.New("mount refused")
)

// Type is the type of the mounts in /proc/self/mountinfo.
const Type = "fuse.shardfs"

// Options configures a mount. The zero value is a private one.
type Options struct {
	Source     string       // what the mount is said to be of: the scratch directory
	AllowOther bool         // other users may use it
	ReadOnly   bool         // nothing can be changed
	Options    []string     // more mount options
	Log        func(error)  // told of faults that a caller sees as EIO; nil: they are dropped
	Trace      func(string) // told of each request, in a line; nil for nobody
}

func (o *Options) report() func(error) {
	if o.Log == nil {
		return func(error) {}
	}
	return onceEvery(time.Minute, o.Log)
}

// Server serves one mount.
type Server struct {
	fuse       *fuse.Server
	mountpoint string
}

// Show mounts shards that cannot be changed, and serves them until they are unmounted. It returns when the mount is ready for
// use.
func Show(set *view.Set, mountpoint string, o Options) (*Server, error) {
	o.ReadOnly = true
	report := o.report()
	s, err := serve(newBase(set, report), mountpoint, &o, report)
	if err == nil {
		readAhead(mountpoint)
	}
	return s, err
}

// Change mounts a tree that can be changed, and serves it until it is unmounted. It returns when the mount is ready for use.
// The process must have no umask: the kernel has applied that of whoever makes a file.
func Change(tree *overlay.Tree, mountpoint string, o Options) (*Server, error) {
	report := o.report()
	return serve(newChanging(tree, report), mountpoint, &o, report)
}

// serve mounts a file system and starts to answer.
func serve(fs fuse.RawFileSystem, mountpoint string, o *Options, report func(error)) (*Server, error) {
	// The kernel checks permissions; every open file system object is ours to refuse otherwise.
	options := append([]string{"default_permissions"}, o.Options...)
	var flags uintptr = unix.MS_NOSUID | unix.MS_NODEV
	if o.ReadOnly {
		options = append(options, "ro")
		flags |= unix.MS_RDONLY
	}
	logger := log.New(io.Discard, "", 0)
	if o.Trace != nil {
		logger = log.New(lineWriter(o.Trace), "", 0)
	}
	var disabled uint64
	if _, changes := fs.(*changing); !changes {
		disabled = fuse.CAP_PASSTHROUGH // so that overlayfs finds nothing stacked below it
	}
	mounted := &fuse.MountOptions{
		FsName: o.Source, Name: strings.TrimPrefix(Type, "fuse."), AllowOther: o.AllowOther, Options: options,
		DirectMountFlags: flags, MaxWrite: 1 << 20, DisableXAttrs: true, ExplicitDataCacheControl: true,
		ExtraCapabilities:    fuse.CAP_NO_OPENDIR_SUPPORT | fuse.CAP_ATOMIC_O_TRUNC, // else what is truncated as it is opened would be copied first
		DisabledCapabilities: disabled,
		DisableSplice:        true, // tried first for every reply, and never the faster way for bytes from memory
		Logger:               logger, Debug: o.Trace != nil,
		PanicHandler: func(fault any) fuse.Status {
			report(fmt.Errorf("%v\n%s", fault, debug.Stack()))
			return fuse.EIO
		},
	}
	server, err := mount(fs, mountpoint, mounted)
	asked := o.Options
	if o.AllowOther {
		asked = append([]string{"allow_other"}, asked...)
	}
	if errors.Is(err, errRefused) && len(asked) > 0 {
		return nil, fmt.Errorf("%w: %s: %w", ErrOption, strings.Join(asked, ","), err)
	}
	if err != nil {
		return nil, err
	}
	// What is asked before Serve reads it waits in the kernel, so nothing here waits for the mount, as go-fuse's WaitMount does
	// by opening a file in it. A thread that waits for an answer of its own process cannot be killed, and holds the connection
	// by whose end it would be released: a process that is killed then would stay for good.
	go server.Serve()
	return &Server{server, mountpoint}, nil
}

// lineWriter hands on what a logger writes.
type lineWriter func(string)

func (w lineWriter) Write(p []byte) (int, error) {
	w(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// readAhead lets the kernel read 1 MiB ahead, as much as it takes in one reply, in place of its 128 KiB: most samples then
// come in one request. Only root may, and not in every container; without, nothing is amiss but speed.
func readAhead(mountpoint string) {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, mountpoint, unix.AT_STATX_DONT_SYNC, 0, &st) == nil { // asks nobody, least of all ourselves
		name := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", st.Dev_major, st.Dev_minor)
		os.WriteFile(name, []byte("1024"), 0)
	}
}

// mount mounts by system call where we may, and else through fusermount3.
func mount(fs fuse.RawFileSystem, mountpoint string, o *fuse.MountOptions) (*fuse.Server, error) {
	direct := *o
	direct.DirectMountStrict = true
	direct.Options = nil
	for _, option := range o.Options {
		if option != "ro" { // a flag of the system call
			direct.Options = append(direct.Options, option)
		}
	}
	server, directErr := fuse.NewServer(fs, mountpoint, &direct)
	if directErr == nil {
		return server, nil
	}
	switch {
	case errors.Is(directErr, unix.ENOENT) || errors.Is(directErr, unix.ENODEV) || errors.Is(directErr, unix.ENXIO):
		return nil, fmt.Errorf("/dev/fuse: %w", directErr)
	case errors.Is(directErr, unix.EINVAL) && os.Geteuid() == 0:
		return nil, fmt.Errorf("%w: %w", errRefused, directErr)
	}
	server, err := fuse.NewServer(fs, mountpoint, o)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("mount: %w, and there is no fusermount3", directErr)
	}
	if err != nil {
		return nil, fmt.Errorf("%w by fusermount3, which says why", errRefused)
	}
	return server, nil
}

// Wait returns when the file system is unmounted and the last request is answered.
func (s *Server) Wait() { s.fuse.Wait() }

// Unmount unmounts the file system, at once if nobody uses it, and else lazily: it is gone from its place, and served
// until the last user has left. If it is not mounted any more, that is no error.
func (s *Server) Unmount() error {
	err := Unmount(s.mountpoint, false)
	if err == unix.EBUSY {
		err = Unmount(s.mountpoint, true)
	}
	if err == unix.EINVAL {
		return nil
	}
	return err
}

// Unmount unmounts what is mounted at a mountpoint. Lazy detaches it even if it is in use.
func Unmount(mountpoint string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	arg := "-u"
	if lazy {
		flags |= unix.MNT_DETACH
		arg = "-uz"
	}
	err := unix.Unmount(mountpoint, flags)
	if err != unix.EPERM {
		return err
	}
	out, runErr := exec.Command("fusermount3", arg, "--", mountpoint).CombinedOutput()
	var exit *exec.ExitError
	switch {
	case runErr == nil:
		return nil
	case !errors.As(runErr, &exit):
		return fmt.Errorf("%w, and there is no fusermount3", err)
	case strings.Contains(string(out), "busy"):
		return unix.EBUSY
	}
	return errors.New(strings.TrimSpace(string(out)))
}
