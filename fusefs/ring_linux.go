package fusefs

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is an io_uring that takes FUSE commands. It belongs to the thread that made it; only tell may be called by others.
type ring struct {
	fd      int
	mapped  []byte // both rings' heads and tails, and the completions
	entries []byte // for commands

	sqHead *uint32 // moved by the kernel
	sqTail *uint32
	sqMask uint32
	sqes   []sqe

	cqHead *uint32
	cqTail *uint32 // moved by the kernel
	cqMask uint32
	cqes   []cqe
}

// What linux/io_uring.h has and golang.org/x/sys has not.
const (
	setupSQE128       = 1 << 10
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13
	setupNoSQArray    = 1 << 16

	offSQRing = 0
	offSQEs   = 0x10000000

	enterGetEvents = 1

	opMsgRing  = 40
	opUringCmd = 46

	registerSendMsgRing = 31
)

// sqe is a command: struct io_uring_sqe of 128 bytes.
type sqe struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	off      uint64 // the low half is which command it is
	addr     uint64
	length   uint32
	opFlags  uint32
	userData uint64
	_        uint64
	cmd      [80]byte
}

// cqe is a completion: struct io_uring_cqe.
type cqe struct {
	userData uint64
	res      int32
	flags    uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFd uint32

	_  [3]uint32
	sq struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32

		_ uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32

		_ uint64
	}
}

// newRing makes a ring for the thread that it is called in, for up to n commands at a time.
func newRing(n int) (*ring, error) {
	p := ringParams{flags: setupSQE128 | setupNoSQArray | setupSingleIssuer | setupDeferTaskrun}
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, uintptr(n), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &ring{fd: int(fd)}
	var err error
	size := int(p.cq.cqes) + int(p.cqEntries)*int(unsafe.Sizeof(cqe{}))
	const prot, shared = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.mapped, err = unix.Mmap(r.fd, offSQRing, size, prot, shared); err == nil {
		r.entries, err = unix.Mmap(r.fd, offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})), prot, shared)
	}
	if err != nil {
		r.close()
		return nil, fmt.Errorf("map io_uring: %w", err)
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.mapped[offset])) }
	r.sqHead, r.sqTail, r.sqMask = at(p.sq.head), at(p.sq.tail), *at(p.sq.mask)
	r.cqHead, r.cqTail, r.cqMask = at(p.cq.head), at(p.cq.tail), *at(p.cq.mask)
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&r.entries[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&r.mapped[p.cq.cqes])), p.cqEntries)
	return r, nil
}

func (r *ring) close() {
	if r.mapped != nil {
		unix.Munmap(r.mapped)
	}
	if r.entries != nil {
		unix.Munmap(r.entries)
	}
	unix.Close(r.fd)
}

// add adds a command, which enter submits.
func (r *ring) add(s sqe) {
	tail := *r.sqTail
	r.sqes[tail&r.sqMask] = s
	atomic.StoreUint32(r.sqTail, tail+1)
}

// enter submits what was added, and waits until there are as many completions as asked.
//
// It is a system call that the scheduler knows of, and no raw one: whoever stops the world would wait for a thread that waits
// for a request, which may come from whoever waits for the world.
func (r *ring) enter(wait int) {
	for {
		n := *r.sqTail - atomic.LoadUint32(r.sqHead)
		_, _, errno := syscall.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(n), uintptr(wait), enterGetEvents, 0, 0)
		switch errno {
		case 0:
			return
		case unix.EINTR:
		default: // there is no memory just now
			time.Sleep(time.Millisecond)
		}
	}
}

// next returns a completion, if there is one.
func (r *ring) next() (c cqe, ok bool) {
	head := *r.cqHead
	if head == atomic.LoadUint32(r.cqTail) {
		return c, false
	}
	c = r.cqes[head&r.cqMask]
	atomic.StoreUint32(r.cqHead, head+1)
	return c, true
}

// tell adds a completion that carries userData, from any thread.
func (r *ring) tell(userData uint64) {
	s := sqe{opcode: opMsgRing, fd: int32(r.fd), off: userData}
	const noRing = ^uintptr(0) // that it comes from
	for {
		_, _, errno := syscall.Syscall6(unix.SYS_IO_URING_REGISTER, noRing, registerSendMsgRing, uintptr(unsafe.Pointer(&s)), 1, 0, 0)
		switch errno {
		case 0:
			return
		case unix.EINTR:
		default: // there is no memory just now
			time.Sleep(time.Millisecond)
		}
	}
}
