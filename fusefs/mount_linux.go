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

// Type is the type of the mounts in /proc/self/mountinfo.
const Type = "fuse.shardfs"

// Options configures a mount. The zero value is a mount for its owner that logs nothing.
type Options struct {
	MountOptions
	Source string      // what /proc/self/mountinfo names as the source; "" for "shardfs"
	Log    func(error) // gets faults that a caller sees as EIO, the same one once a minute; nil drops them

	passthrough bool         // the kernel may read and write opened files itself
	trace       func(string) // gets a line for each request and reply, and these come one at a time; nil for none
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

// MountReadOnly mounts shards that cannot be changed, and serves them until they are unmounted. It returns when the
// mount is ready for use. Other file systems may be stacked on the mount.
func MountReadOnly(set *view.Set, mountpoint string, o Options) (*Server, error) {
	o.ReadOnly = true
	report := o.report()
	s, err := serve(newBase(set, report), mountpoint, &o, report)
	if err == nil {
		readAhead(mountpoint)
	}
	return s, err
}

// MountWritable mounts a tree that can be changed, and serves it until it is unmounted. It returns when the mount is
// ready for use. The process must have no umask: the kernel has applied that of the process that makes a file.
func MountWritable(tree *overlay.Tree, mountpoint string, o Options) (*Server, error) {
	o.passthrough = true
	report := o.report()
	return serve(newChanging(tree, report), mountpoint, &o, report)
}

// serve mounts a file system and starts to answer.
func serve(fs fuse.RawFileSystem, mountpoint string, o *Options, report func(error)) (*Server, error) {
	logger := log.New(io.Discard, "", 0)
	if o.trace != nil {
		logger = log.New(lineWriter(o.trace), "", 0)
	}
	var disabled uint64
	if !o.passthrough {
		disabled = fuse.CAP_PASSTHROUGH // with it, the kernel lets no other file system be stacked on this one
	}
	server, err := mount(fs, mountpoint, o, fuse.MountOptions{
		FsName: o.Source, Name: strings.TrimPrefix(Type, "fuse."), AllowOther: o.AllowOther,
		MaxWrite: 1 << 20, DisableXAttrs: true, ExplicitDataCacheControl: true,
		// Without atomic O_TRUNC, a file that is truncated as it is opened would be copied up with its content first.
		ExtraCapabilities:    fuse.CAP_NO_OPENDIR_SUPPORT | fuse.CAP_ATOMIC_O_TRUNC,
		DisabledCapabilities: disabled,
		DisableSplice:        true, // tried first for every reply, and never the faster way for bytes from memory
		Logger:               logger, Debug: o.trace != nil, SingleThreaded: o.trace != nil,
		PanicHandler: func(fault any) fuse.Status {
			report(fmt.Errorf("%v\n%s", fault, debug.Stack()))
			return fuse.EIO
		},
	})
	if err != nil {
		return nil, err
	}
	// Requests that come before Serve reads them wait in the kernel, so nothing here waits for the mount, as go-fuse's
	// WaitMount does by opening a file in it. A thread that waits for an answer of its own process cannot be killed,
	// and holds the connection by whose end it would be released: a process that is killed at that moment would stay
	// for good.
	go server.Serve()
	return &Server{server, mountpoint}, nil
}

// lineWriter passes on what a logger writes, line by line.
type lineWriter func(string)

func (w lineWriter) Write(p []byte) (int, error) {
	w(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// readAhead raises the kernel's readahead from 128 KiB to 1 MiB, the largest reply, so that most samples are read in
// one request. Only root may, and not in every container; if it fails, reads are slower, and that is all.
func readAhead(mountpoint string) {
	var st unix.Statx_t
	// This flag spares a request, which this process would have to answer.
	if unix.Statx(unix.AT_FDCWD, mountpoint, unix.AT_STATX_DONT_SYNC, 0, &st) == nil {
		name := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", st.Dev_major, st.Dev_minor)
		os.WriteFile(name, []byte("1024"), 0)
	}
}

// mount mounts by system call where this process may, and else by fusermount3.
func mount(fs fuse.RawFileSystem, mountpoint string, o *Options, common fuse.MountOptions) (*fuse.Server, error) {
	server, err := mountDirect(fs, mountpoint, o, common)
	switch {
	case err == nil:
		return server, nil
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("/dev/fuse: %w", err)
	case errors.Is(err, unix.EINVAL) && os.Geteuid() == 0:
		return nil, o.refused(err)
	}
	server, helperErr := mountByHelper(fs, mountpoint, o, common)
	switch {
	case errors.Is(helperErr, exec.ErrNotFound):
		return nil, fmt.Errorf("mount: %w, and there is no %s", err, fusermount)
	case errors.Is(helperErr, errHelper):
		return nil, o.refused(helperErr)
	}
	return server, helperErr
}

// mountDirect mounts by system call.
func mountDirect(fs fuse.RawFileSystem, mountpoint string, o *Options, common fuse.MountOptions) (*fuse.Server, error) {
	common.DirectMountStrict = true
	common.Options = o.fuseOptions()
	if common.DirectMountFlags = o.flags(); common.DirectMountFlags == 0 {
		common.DirectMountFlags = unix.MS_RELATIME // the kernel's own default; go-fuse takes 0 for nosuid and nodev
	}
	return fuse.NewServer(fs, mountpoint, &common)
}

// mountByHelper has fusermount3 mount, and serves the connection that it opens.
func mountByHelper(fs fuse.RawFileSystem, mountpoint string, o *Options, common fuse.MountOptions) (
	*fuse.Server, error) {
	dev, err := runHelper(mountpoint, append(o.fuseOptions(), o.helperOptions(&common)...))
	if err != nil {
		return nil, err
	}
	server, err := fuse.NewServer(fs, fmt.Sprintf("/dev/fd/%d", dev), &common) // as go-fuse is given a connection
	if err != nil {
		return nil, errors.Join(err, Unmount(mountpoint, true))
	}
	return server, nil
}

// Wait returns when the file system is unmounted and the last request is answered.
func (s *Server) Wait() { s.fuse.Wait() }

// Unmount unmounts the file system: at once if it is not in use, and else lazily, so that it is gone from its
// mountpoint and served until its last user has left. If it is not mounted any more, that is no error.
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
