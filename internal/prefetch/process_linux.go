package prefetch

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Process reads files of a mount ahead in another process, which it starts when it is first needed. It is safe for
// concurrent use.
type Process struct {
	mountpoint string
	device     uint64
	windows    chan []File
	quit       chan struct{}
	ended      chan struct{}
	thread     atomic.Uint32 // the thread of the process that uses the mount; 0: there is none yet
}

// New returns a Process for a mount that will be at a mountpoint, an absolute path. The caller must call Close.
func New(mountpoint string) *Process {
	return &Process{mountpoint: mountpoint, windows: make(chan []File, 1), quit: make(chan struct{})}
}

// Begin lets files be read ahead. The mount must be there.
func (p *Process) Begin() {
	var err error
	if p.device, err = deviceOf(unix.AT_FDCWD, p.mountpoint); err != nil {
		return
	}
	p.ended = make(chan struct{})
	go func() {
		defer close(p.ended)
		p.serve()
	}()
}

// Close ends the process and returns when it has ended.
func (p *Process) Close() {
	close(p.quit)
	if p.ended != nil {
		<-p.ended
	}
}

// Is reports whether requests with this number of a process, or of a thread, are those of the process.
func (p *Process) Is(pid uint32) bool { return pid == 0 || pid == p.thread.Load() }

// Prefetch has files read ahead. It does not wait, and returns false if others are still to be read.
func (p *Process) Prefetch(files []File) bool {
	select {
	case p.windows <- files:
		return true
	default:
		return false
	}
}

// serve starts the process when there are files to be read ahead, and returns when it has ended.
func (p *Process) serve() {
	var files []File
	select {
	case <-p.quit:
		return
	case files = <-p.windows:
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	cmd := exec.Command(self)
	cmd.Dir = "/"
	cmd.Env = []string{Variable + "=1", "GOMAXPROCS=1"}
	in, err := cmd.StdinPipe()
	if err != nil {
		return
	}
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		in.Close()
		return
	}
	talked := make(chan struct{})
	go func() {
		defer close(talked)
		p.talk(in, bufio.NewReader(out), files)
	}()
	select {
	case <-p.quit:
	case <-talked:
	}
	cmd.Process.Kill()
	<-talked
	cmd.Wait()
}

// talk sends the process files, at first those given, until it has ended or is to end.
func (p *Process) talk(in io.Writer, out *bufio.Reader, files []File) {
	if _, err := in.Write(appendMessage(nil, p.mountpoint, strconv.FormatUint(p.device, 10))); err != nil {
		return
	}
	first, err := readMessage(out)
	if err != nil || len(first) != 1 {
		return
	}
	thread, err := strconv.ParseUint(first[0], 10, 32)
	if err != nil {
		return
	}
	p.thread.Store(uint32(thread))
	for {
		if _, err := in.Write(appendMessage(nil, encode(files)...)); err != nil {
			return
		}
		if _, err := readMessage(out); err != nil {
			return
		}
		select {
		case <-p.quit:
			return
		case files = <-p.windows:
		}
	}
}
