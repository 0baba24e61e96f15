package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/view"
)

// ErrNoUring says that requests cannot come through io_uring here.
var ErrNoUring = errors.New("no FUSE over io_uring")

const (
	uringParameter = "/sys/module/fuse/parameters/enable_uring"
	possibleCPUs   = "/sys/devices/system/cpu/possible"
)

// prompt is a file system that can tell of a request for a node that to answer it does not mean to wait. Until it is
// answered, and done called, that stays true.
type prompt interface {
	prompt(opcode uint32, node uint64) (done func(), ok bool)
}

// uringServer answers requests that come through io_uring: a queue for each CPU, so that whoever asks is answered on the CPU
// where it waits, and neither of the two has to be woken on another one. What the kernel does not send there it still sends
// through /dev/fuse: what it forgets, and what is interrupted.
type uringServer struct {
	protocol *fuse.ProtocolServer
	prompt   prompt // nil: any request may wait
	dev      int    // /dev/fuse
	init     []byte // the first request
	queues   []*queue
	slow     atomic.Int32 // reads that shall be taken for slow

	ready chan struct{} // closed when requests can come, or err is set
	err   error
	done  chan struct{} // closed when all has ended

	waits sync.WaitGroup      // requests that may wait, and whoever interrupts them
	mu    sync.Mutex          // guards what follows
	under map[uint64]struct{} // requests that may wait and are under way
	early map[uint64]struct{} // requests that were interrupted before they came
	ended bool                // nobody waits for an answer any more
}

// mountUring mounts a file system whose requests come through io_uring.
func mountUring(fs fuse.RawFileSystem, mountpoint string, o *fuse.MountOptions) (transport, error) {
	switch enabled, err := os.ReadFile(uringParameter); {
	case err != nil:
		return nil, fmt.Errorf("%w: the kernel does not know it: %w", ErrNoUring, err)
	case string(bytes.TrimSpace(enabled)) != "Y":
		return nil, fmt.Errorf("%w: %s is %s", ErrNoUring, uringParameter, bytes.TrimSpace(enabled))
	}
	dev, err := mountDevice(mountpoint, o)
	if err != nil {
		return nil, err
	}
	offered := *o
	offered.ExtraCapabilities |= fuse.CAP_OVER_IO_URING
	s := &uringServer{
		protocol: fuse.NewProtocolServer(fs, &offered), dev: dev,
		ready: make(chan struct{}), done: make(chan struct{}),
		under: map[uint64]struct{}{}, early: map[uint64]struct{}{},
	}
	s.prompt, _ = fs.(prompt)
	err = s.readInit()
	if err == nil {
		err = s.openQueues()
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("%w: %w", ErrNoUring, err), unix.Unmount(mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
		unix.Close(dev)
		return nil, err
	}
	return s, nil
}

// mountDevice opens /dev/fuse and mounts it, by system call only.
func mountDevice(mountpoint string, o *fuse.MountOptions) (dev int, err error) {
	var st unix.Stat_t
	if err := unix.Stat(mountpoint, &st); err != nil {
		return -1, &os.PathError{Op: "stat", Path: mountpoint, Err: err}
	}
	dev, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/fuse: %w", err)
	}
	flags := o.DirectMountFlags
	options := []string{
		fmt.Sprintf("fd=%d", dev), fmt.Sprintf("rootmode=%o", st.Mode&unix.S_IFMT), fmt.Sprintf("max_read=%d", o.MaxWrite),
		fmt.Sprintf("user_id=%d", os.Geteuid()), fmt.Sprintf("group_id=%d", os.Getegid()),
	}
	if o.AllowOther {
		options = append(options, "allow_other")
	}
	for _, option := range o.Options {
		switch option {
		case "ro", "nosuid", "nodev": // among the flags
		case "suid":
			flags &^= unix.MS_NOSUID
		case "dev":
			flags &^= unix.MS_NODEV
		case "noexec":
			flags |= unix.MS_NOEXEC
		case "exec":
			flags &^= unix.MS_NOEXEC
		default:
			options = append(options, option)
		}
	}
	source := o.FsName
	if source == "" {
		source = o.Name
	}
	err = unix.Mount(source, mountpoint, Type, flags, strings.Join(options, ","))
	if err == nil {
		return dev, nil
	}
	unix.Close(dev)
	switch {
	case err == unix.EPERM:
		return -1, fmt.Errorf("%w: only with the right to mount", ErrNoUring)
	case err == unix.EINVAL:
		return -1, fmt.Errorf("%w: %w", errRefused, err)
	}
	return -1, fmt.Errorf("mount: %w", err)
}

// readInit reads the first request, in which the kernel says what it can do.
func (s *uringServer) readInit() error {
	buf := make([]byte, slotPayload+4096) // what the kernel wants room for before it gives anything
	n, err := s.read(buf)
	if err != nil {
		return err
	}
	if n < int(unsafe.Sizeof(fuse.InitIn{})) || (*fuse.InitIn)(unsafe.Pointer(&buf[0])).Flags64()&fuse.CAP_OVER_IO_URING == 0 {
		return errors.New("the kernel does not offer it")
	}
	s.init = buf[:n]
	return nil
}

// Serve answers until the file system is unmounted. It comes back when nothing is left of it.
func (s *uringServer) Serve() {
	defer close(s.done)
	// From here on the kernel holds back whatever is asked until each queue has a slot.
	reply := make([]byte, 4096) // to whatever is asked through /dev/fuse
	s.answer(s.init, reply)
	if err := s.startQueues(); err != nil {
		s.err = fmt.Errorf("%w: %w", ErrNoUring, err)
	}
	close(s.ready)
	s.readDevice(s.init[:cap(s.init)], reply)
	s.interruptAll()
	for _, q := range s.queues {
		<-q.done
	}
	s.waits.Wait()
	unix.Close(s.dev)
}

// WaitMount waits until requests can come.
func (s *uringServer) WaitMount() error {
	<-s.ready
	return s.err
}

// Wait waits until Serve comes back.
func (s *uringServer) Wait() { <-s.done }

func (s *uringServer) read(buf []byte) (int, error) {
	for {
		n, err := unix.Read(s.dev, buf)
		if err != unix.EINTR && err != unix.EAGAIN && err != unix.ENOENT { // of a request that is not wanted any more
			return n, err
		}
	}
}

// readDevice answers what comes through /dev/fuse until the connection ends.
func (s *uringServer) readDevice(buf, reply []byte) {
	for {
		n, err := s.read(buf)
		if err != nil || n < inHeaderSize {
			return
		}
		if in := (*fuse.InHeader)(unsafe.Pointer(&buf[0])); in.Opcode == opInterrupt {
			unique := (*fuse.InterruptIn)(unsafe.Pointer(&buf[0])).Unique
			s.waits.Go(func() { s.interrupt(unique) })
			continue
		}
		s.answer(buf[:n], reply)
	}
}

// answer answers a request that came through /dev/fuse.
func (s *uringServer) answer(request, reply []byte) {
	if n, _ := s.protocol.HandleRequest([][]byte{request}, [][]byte{reply}); n > 0 {
		unix.Write(s.dev, reply[:n]) // nobody waits for it where it fails
	}
}

// begin notes that a request that may wait is under way. It returns false where that is not wanted any more.
func (s *uringServer) begin(unique uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.early[unique]; ok || s.ended {
		delete(s.early, unique)
		return false
	}
	s.under[unique] = struct{}{}
	return true
}

func (s *uringServer) finish(unique uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.under, unique)
}

// isUnder reports whether a request is under way. If it is not, it has been answered, or it will be told as it comes that it
// is not wanted any more.
func (s *uringServer) isUnder(unique uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.under[unique]; ok {
		return true
	}
	if len(s.early) >= 1000 { // nearly all of them are answered
		clear(s.early)
	}
	s.early[unique] = struct{}{}
	return false
}

// interrupt ends what a request waits for. The request came, or comes, by another way.
func (s *uringServer) interrupt(unique uint64) {
	in := fuse.InterruptIn{Unique: unique}
	in.Opcode, in.Length = opInterrupt, uint32(unsafe.Sizeof(in))
	request := unsafe.Slice((*byte)(unsafe.Pointer(&in)), unsafe.Sizeof(in))
	reply := make([]byte, 64)
	for s.isUnder(unique) {
		if n, _ := s.protocol.HandleRequest([][]byte{request}, [][]byte{reply}); n == 0 {
			return
		}
		time.Sleep(time.Millisecond) // it is just about to be noted there, or has been answered
	}
}

// interruptAll ends all that is waited for when nobody waits for an answer any more.
func (s *uringServer) interruptAll() {
	s.mu.Lock()
	s.ended = true
	for unique := range s.under {
		s.waits.Go(func() { s.interrupt(unique) })
	}
	s.mu.Unlock()
}

// openQueues makes the queues.
func (s *uringServer) openQueues() error {
	n, err := countPossibleCPUs()
	if err != nil {
		return err
	}
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	for cpu := range n {
		q := newQueue(s, cpu, ours.IsSet(cpu))
		go q.run()
		if err = <-q.opened; err != nil {
			<-q.done
			err = fmt.Errorf("queue %d: %w", cpu, err)
			break
		}
		s.queues = append(s.queues, q)
	}
	if err != nil {
		for _, q := range s.queues {
			q.start <- false
			<-q.done
		}
	}
	return err
}

// startQueues hands the slots of the queues to the kernel.
func (s *uringServer) startQueues() (err error) {
	for _, q := range s.queues {
		q.start <- true
		if queueErr := <-q.opened; queueErr != nil && err == nil {
			err = fmt.Errorf("queue %d: %w", q.cpu, queueErr)
		}
	}
	return err
}

// countPossibleCPUs returns for how many CPUs the kernel has a queue, whether they are there or not.
func countPossibleCPUs() (n int, err error) {
	text, err := os.ReadFile(possibleCPUs) // as 0-3,8-11
	if err != nil {
		return 0, err
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.Atoi(from)
		last, lastErr := strconv.Atoi(to)
		if err := errors.Join(err, lastErr); err != nil {
			return 0, fmt.Errorf("%s: %w", possibleCPUs, err)
		}
		n += last - first + 1
	}
	return n, nil
}

// prompt reports whether what is asked of a node is at hand: its shard is open and indexed, and if it is read, not compressed.
func (b *base) prompt(opcode uint32, node uint64) (done func(), ok bool) {
	none := func() {}
	if b.set.IsTop(view.Ino(node)) {
		return none, true
	}
	if only := b.set.Only(); only != nil {
		return none, !only.Growing() && (opcode != opRead || only.Shard.IsPlain())
	}
	e, err := b.set.Use(b.atOnce, view.Ino(node))
	if err != nil {
		return nil, false
	}
	if opcode == opRead && !e.View.Shard.IsPlain() {
		e.Release()
		return nil, false
	}
	return e.Release, true
}
