package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A mount is a shard mounted by a server in the foreground, so that its process is known.
type mount struct {
	dir     string
	shardfs string
	server  *exec.Cmd
	stderr  bytes.Buffer
	ended   chan error // receives how the server has ended
}

// mount mounts a shard, with flags, and returns when it can be listed. The caller closes it.
func (b *bench) mount(ctx context.Context, shard string, flags ...string) (*mount, error) {
	m := &mount{dir: b.path("mnt"), shardfs: b.shardfs, ended: make(chan error, 1)}
	m.detach() // left by a bench that was killed
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return nil, err
	}
	argv := b.mounting(shard, flags...)
	m.server = exec.Command(argv[0], argv[1:]...)
	m.server.Stderr = &m.stderr
	// Ctrl-C must not reach the server: the bench unmounts.
	m.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.server.Start(); err != nil {
		return nil, err
	}
	go func() { m.ended <- m.server.Wait() }()
	if err := m.ready(ctx); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

// mounting returns the command line of the server.
func (b *bench) mounting(shard string, flags ...string) []string {
	return slices.Concat([]string{b.shardfs, "mount", "--foreground"}, flags, []string{shard, b.path("mnt")})
}

// ready waits until another file system is mounted at the mountpoint.
func (m *mount) ready(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-m.ended:
			m.ended <- err
			return fmt.Errorf("%s ended before it was ready", quote(m.server.Args))
		case <-tick.C:
		}
		var at, above syscall.Stat_t
		if err := syscall.Stat(m.dir, &at); err != nil {
			return fmt.Errorf("stat %s: %w", m.dir, err)
		}
		if err := syscall.Stat(filepath.Dir(m.dir), &above); err != nil {
			return fmt.Errorf("stat %s: %w", filepath.Dir(m.dir), err)
		}
		if at.Dev != above.Dev {
			return nil
		}
	}
}

// close unmounts and waits for the server. Even after errors, nothing stays mounted.
func (m *mount) close() error {
	var failed error
	if len(m.ended) == 0 {
		if out, err := exec.Command(m.shardfs, "umount", m.dir).CombinedOutput(); err != nil {
			failed = fmt.Errorf("umount %s: %w\n%s", m.dir, err, bytes.TrimSpace(out))
			m.detach()
		}
	}
	select {
	case err := <-m.ended:
		if err != nil {
			failed = errors.Join(failed,
				fmt.Errorf("%s: %w\n%s", quote(m.server.Args), err, bytes.TrimSpace(m.stderr.Bytes())))
		}
	case <-time.After(10 * time.Second):
		failed = errors.Join(failed, errors.New("the mount server did not end"), m.server.Process.Kill())
		<-m.ended
		m.detach()
	}
	return failed
}

// detach detaches the mount without the server: by system call as root, else by fusermount3. It is no error if nothing
// is mounted.
func (m *mount) detach() {
	if syscall.Unmount(m.dir, syscall.MNT_DETACH) != nil {
		exec.Command("fusermount3", "-u", "-z", m.dir).Run()
	}
}

// memory is the resident memory of a process in bytes.
type memory struct {
	now, peak float64
}

// memory returns the resident memory of the server and its children.
func (m *mount) memory() (memory, error) {
	return memoryOf(m.server.Process.Pid)
}

func memoryOf(pid int) (memory, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return memory{}, err
	}
	var total memory
	for line := range strings.Lines(string(status)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			total.peak = kib * 1024
		} else if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kib); n == 1 {
			total.now = kib * 1024
		}
	}
	threads, err := filepath.Glob(filepath.Join(dir, "task", "*", "children"))
	if err != nil {
		return memory{}, err
	}
	for _, name := range threads {
		children, err := os.ReadFile(name)
		if err != nil {
			return memory{}, err
		}
		for _, field := range strings.Fields(string(children)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return memory{}, err
			}
			more, err := memoryOf(child)
			if err != nil {
				return memory{}, err
			}
			total.now += more.now
			total.peak += more.peak
		}
	}
	return total, nil
}
