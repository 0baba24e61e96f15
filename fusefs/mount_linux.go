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

// Type is the file system type of the mounts in /proc/self/mountinfo.
const Type = "fuse.shardfs"

// ErrUnavailable means that this process cannot mount: the kernel has no FUSE, or does not let it.
var ErrUnavailable = errors.New("FUSE is not available")

// ErrRefused means that the kernel or fusermount3 has refused a mount without options.
var ErrRefused = errors.New("mount refused")

// Options configures a mount. With the zero value only the user who mounts has access, and nothing is logged.
type Options struct {
	MountOptions
	Source string      // the source in /proc/self/mountinfo; "" means "shardfs"
	Log    func(error) // receives errors that users see as EIO, each at most once a minute; nil drops them

	// Layers shows the shards of a read-only mount in a directory ShownLayer with these permissions, beside an empty
	// EmptyLayer, for an overlayfs of both; 0 shows them at the root.
	Layers uint32

	// Prefetcher, of a read-only mount of one shard with a whole index, reads ahead when samples are read in order; nil:
	// nothing does.
	Prefetcher Prefetcher

	passthrough bool         // let the kernel read and write open files itself
	trace       func(string) // receives a line for each request and reply, one at a time; nil means no trace
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
	files      *files // of MountFiles; nil for other mounts
}

// MountReadOnly mounts shards read-only and serves them until they are unmounted. It returns when the mount is ready
// for use. Other file systems may be stacked on the mount.
func MountReadOnly(set *view.Set, mountpoint string, o Options) (*Server, error) {
	o.ReadOnly = true
	report := o.report()
	b := newBase(set, report)
	if only := set.Only(); o.Prefetcher != nil && only != nil && !only.Growing() {
		b.ahead = &sequence{view: only, to: o.Prefetcher}
	}
	var served fuse.RawFileSystem = b
	if o.Layers != 0 {
		served = &layers{b, o.Layers}
	}
	s, err := serve(served, mountpoint, &o, report)
	if err == nil {
		readAhead(mountpoint)
	}
	return s, err
}

// MountWritable mounts a writable tree and serves it until it is unmounted. It returns when the mount is ready for use.
// The umask of this process must be 0, because the kernel has already applied the umask of the process that creates a
// file.
func MountWritable(tree *overlay.Tree, mountpoint string, o Options) (*Server, error) {
	o.passthrough = true
	report := o.report()
	return serve(newChanging(tree, report), mountpoint, &o, report)
}

// serve mounts a file system and starts serving it.
func serve(fs fuse.RawFileSystem, mountpoint string, o *Options, report func(error)) (*Server, error) {
	logger := log.New(io.Discard, "", 0)
	if o.trace != nil {
		logger = log.New(lineWriter(o.trace), "", 0)
	}
	var disabled uint64
	if !o.passthrough {
		disabled = fuse.CAP_PASSTHROUGH // it would prevent stacking other file systems on this one
	}
	server, err := mount(fs, mountpoint, o, fuse.MountOptions{
		FsName: o.Source, Name: strings.TrimPrefix(Type, "fuse."), AllowOther: o.AllowOther,
		MaxWrite: 1 << 20, DisableXAttrs: true, ExplicitDataCacheControl: true,
		// Without atomic O_TRUNC, opening a file with O_TRUNC would first copy it up with its content.
		ExtraCapabilities:    fuse.CAP_NO_OPENDIR_SUPPORT | fuse.CAP_ATOMIC_O_TRUNC,
		DisabledCapabilities: disabled,
		DisableSplice:        true, // never faster for bytes from memory
		Logger:               logger, Debug: o.trace != nil, SingleThreaded: o.trace != nil,
		PanicHandler: func(fault any) fuse.Status {
			report(fmt.Errorf("%v\n%s", fault, debug.Stack()))
			return fuse.EIO
		},
	})
	if err != nil {
		return nil, err
	}
	keepConnections()
	// There is no need to wait for the mount, because early requests wait in the kernel. WaitMount of go-fuse would
	// open a file in the mount. A thread that waits for a reply of its own process cannot be killed, and it holds the
	// connection whose end would wake it: if the process is killed at that moment, it never ends.
	go server.Serve()
	return &Server{fuse: server, mountpoint: mountpoint}, nil
}

// lineWriter is a function that is called with each line that a logger writes.
type lineWriter func(string)

func (w lineWriter) Write(p []byte) (int, error) {
	w(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// readAhead raises the kernel's readahead from 128 KiB to 1 MiB, the largest reply, so that most samples are read in
// one request. Only root may do that, and not in every container. Errors are ignored: reads are then only slower.
func readAhead(mountpoint string) {
	var st unix.Statx_t
	// AT_STATX_DONT_SYNC avoids a request, which this process would have to answer.
	if unix.Statx(unix.AT_FDCWD, mountpoint, unix.AT_STATX_DONT_SYNC, 0, &st) == nil {
		name := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", st.Dev_major, st.Dev_minor)
		os.WriteFile(name, []byte("1024"), 0)
	}
}

// mount mounts by system call if this process may do that, else by fusermount3.
func mount(fs fuse.RawFileSystem, mountpoint string, o *Options, common fuse.MountOptions) (*fuse.Server, error) {
	server, err := mountDirect(fs, mountpoint, o, common)
	switch {
	case err == nil:
		return server, nil
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("%w: /dev/fuse: %w", ErrUnavailable, err)
	case errors.Is(err, unix.EINVAL) && os.Geteuid() == 0:
		return nil, o.refused(err)
	}
	server, helperErr := mountByHelper(fs, mountpoint, o, common)
	denied := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK)
	switch {
	case helperErr != nil && denied != nil:
		return nil, fmt.Errorf("%w: /dev/fuse: %w", ErrUnavailable, denied)
	case errors.Is(helperErr, exec.ErrNotFound):
		return nil, fmt.Errorf("%w: %w, and there is no %s", ErrUnavailable, err, fusermount)
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
		common.DirectMountFlags = unix.MS_RELATIME // the kernel's default; 0 would mean nosuid and nodev to go-fuse
	}
	return fuse.NewServer(fs, mountpoint, &common)
}

// mountByHelper mounts by fusermount3, and serves the connection that it opens.
func mountByHelper(fs fuse.RawFileSystem, mountpoint string, o *Options, common fuse.MountOptions) (
	*fuse.Server, error) {
	dev, err := runHelper(mountpoint, append(o.fuseOptions(), o.helperOptions(&common)...))
	if err != nil {
		return nil, err
	}
	server, err := fuse.NewServer(fs, fmt.Sprintf("/dev/fd/%d", dev), &common) // uses the open connection
	if err != nil {
		return nil, errors.Join(err, Unmount(mountpoint, true))
	}
	return server, nil
}

// Wait returns when the file system is unmounted and the last request is answered. Files of MountFiles are not used any
// more.
func (s *Server) Wait() {
	s.fuse.Wait()
	if s.files != nil {
		s.files.wait()
	}
}

// Unmount unmounts the file system: at once if it is not in use, else lazily, so that it disappears from its mountpoint
// and is served until its last user is done. It is no error if it is not mounted any more.
func (s *Server) Unmount() error { return UnmountOrDetach(s.mountpoint) }
