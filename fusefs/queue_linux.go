package fusefs

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Requests of each CPU come in slots, which the kernel fills the one last emptied first: so many of them can be under way,
// and memory is taken by those that ever were.
const (
	slotsPerQueue = 8
	slotPayload   = 1 << 20 // the largest reply, as the kernel asks
	slotHeader    = 512     // of which it takes 288
)

// A file that is not in memory is read by several at once, which a queue does not do. So as a read takes longer than slowRead,
// it and the next slowReads are taken for such ones.
const (
	slowRead  = time.Millisecond
	slowReads = 64
)

// Requests that are told from others, and the size of what all begin with.
const (
	opRead      = 15
	opInterrupt = 36

	inHeaderSize  = int(unsafe.Sizeof(fuse.InHeader{}))
	outHeaderSize = int(unsafe.Sizeof(fuse.OutHeader{}))
)

// Commands of io_uring to /dev/fuse.
const (
	cmdRegister       = 1
	cmdCommitAndFetch = 2
)

// queue answers the requests of one CPU, in a thread of its own there. A CPU that is not there has one too, which stays
// wherever it is.
type queue struct {
	server *uringServer
	cpu    int
	pinned bool
	ring   *ring
	memory []byte // of the slots
	slots  []*slot

	opened chan error    // tells of the queue's making, and of its start
	start  chan bool     // false: it is not wanted
	done   chan struct{} // closed when it has ended
}

func newQueue(s *uringServer, cpu int, pinned bool) *queue {
	return &queue{server: s, cpu: cpu, pinned: pinned, opened: make(chan error), start: make(chan bool), done: make(chan struct{})}
}

// slot is where a request comes and is answered.
type slot struct {
	index   int
	header  *slotMemory
	payload []byte // shared with the kernel, as header is
	request []byte // as it would come through /dev/fuse
	reply   [16]byte
	given   atomic.Bool // answered elsewhere: what the kernel tells the queue's thread, in words of Go
}

// slotMemory begins with struct fuse_uring_req_header.
type slotMemory struct {
	inOut       [128]byte // the header of the request, and then of the reply
	opIn        [128]byte // what follows in the request, as its kind wants
	_           uint64
	commitID    uint64
	payloadSize uint32
	_           uint32
	_           uint64

	iov [2]unix.Iovec // says where these are, and the payload
}

// cmdRequest is struct fuse_uring_cmd_req.
type cmdRequest struct {
	flags    uint64
	commitID uint64
	queue    uint16
	_        [6]byte
}

// answered marks what a ring is told of a slot that was answered elsewhere.
const answered = 1 << 32

func (q *queue) run() {
	// The thread ends with the goroutine, as nobody else shall have one that stays on a CPU.
	runtime.LockOSThread()
	defer close(q.done)
	err := q.open()
	defer q.close()
	q.opened <- err
	if err != nil || !<-q.start {
		return
	}
	for _, slot := range q.slots {
		q.submit(slot, cmdRegister)
	}
	q.ring.enter(0)
	q.opened <- q.refused()
	for live := len(q.slots); live > 0; {
		c, ok := q.ring.next()
		switch {
		case !ok:
			q.ring.enter(1)
		case c.userData&answered != 0:
			slot := q.slots[c.userData&^answered]
			slot.given.Swap(false)
			q.submit(slot, cmdCommitAndFetch)
		case c.res < 0: // the connection has ended
			live--
		default:
			q.take(q.slots[c.userData])
		}
	}
}

func (q *queue) open() (err error) {
	if q.pinned {
		var set unix.CPUSet
		set.Set(q.cpu)
		unix.SchedSetaffinity(0, &set) // else it is only slower
	}
	if q.ring, err = newRing(slotsPerQueue); err != nil {
		return err
	}
	q.memory, err = unix.Mmap(-1, 0, slotsPerQueue*(slotHeader+slotPayload), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	unix.Madvise(q.memory, unix.MADV_NOHUGEPAGE) // else the first small request takes two slots' memory
	headers, payloads := q.memory[:slotsPerQueue*slotHeader], q.memory[slotsPerQueue*slotHeader:]
	for i := range slotsPerQueue {
		s := &slot{
			index: i, header: (*slotMemory)(unsafe.Pointer(&headers[i*slotHeader])),
			payload: payloads[i*slotPayload : (i+1)*slotPayload : (i+1)*slotPayload],
		}
		s.header.iov[0].Base = &s.header.inOut[0]
		s.header.iov[0].SetLen(int(unsafe.Offsetof(s.header.iov)))
		s.header.iov[1].Base = &s.payload[0]
		s.header.iov[1].SetLen(len(s.payload))
		q.slots = append(q.slots, s)
	}
	return nil
}

func (q *queue) close() {
	if q.ring != nil {
		q.ring.close()
	}
	if q.memory != nil {
		unix.Munmap(q.memory)
	}
}

// refused returns an error where the kernel did not take a slot. It leaves all completions where they are.
func (q *queue) refused() error {
	for at := *q.ring.cqHead; at != atomic.LoadUint32(q.ring.cqTail); at++ {
		if c := q.ring.cqes[at&q.ring.cqMask]; c.res < 0 {
			return syscall.Errno(-c.res)
		}
	}
	return nil
}

// submit hands a slot to the kernel, with the answer to what was in it.
func (q *queue) submit(s *slot, command uint64) {
	e := sqe{
		opcode: opUringCmd, fd: int32(q.server.dev), off: command, userData: uint64(s.index),
		addr: uint64(uintptr(unsafe.Pointer(&s.header.iov[0]))), length: uint32(len(s.header.iov)),
	}
	*(*cmdRequest)(unsafe.Pointer(&e.cmd[0])) = cmdRequest{commitID: s.header.commitID, queue: uint16(q.cpu)}
	q.ring.add(e)
}

// take answers the request in a slot, elsewhere if that may take long.
func (q *queue) take(slot *slot) {
	s := q.server
	in := (*fuse.InHeader)(unsafe.Pointer(&slot.header.inOut[0]))
	isRead := in.Opcode == opRead
	if s.prompt != nil && !(isRead && s.slow.Load() > 0) {
		if done, ok := s.prompt.prompt(in.Opcode, in.NodeId); ok {
			s.answerIn(slot, isRead)
			done()
			q.submit(slot, cmdCommitAndFetch)
			return
		}
	}
	if n := s.slow.Load(); isRead && n > 0 {
		s.slow.CompareAndSwap(n, n-1)
	}
	unique := in.Unique
	s.waits.Go(func() {
		if s.begin(unique) {
			s.answerIn(slot, isRead)
			s.finish(unique)
		} else {
			slot.fail(unique, unix.EINTR)
		}
		slot.given.Store(true)
		q.ring.tell(uint64(slot.index) | answered)
	})
}

// answerIn answers the request in a slot.
func (s *uringServer) answerIn(slot *slot, isRead bool) {
	if isRead {
		began := time.Now()
		defer func() {
			if time.Since(began) > slowRead {
				s.slow.Store(slowReads)
			}
		}()
	}
	h := slot.header
	in := *(*fuse.InHeader)(unsafe.Pointer(&h.inOut[0]))
	opIn := int(in.Length) - inHeaderSize - int(h.payloadSize)
	if opIn < 0 || opIn > len(h.opIn) || int(h.payloadSize) > len(slot.payload) {
		slot.fail(in.Unique, unix.EIO)
		return
	}
	// The payload is where the reply comes, too.
	slot.request = append(slot.request[:0], h.inOut[:inHeaderSize]...)
	slot.request = append(slot.request, h.opIn[:opIn]...)
	slot.request = append(slot.request, slot.payload[:h.payloadSize]...)
	n, _ := s.protocol.HandleRequest([][]byte{slot.request}, [][]byte{slot.reply[:], slot.payload})
	if n < outHeaderSize {
		slot.fail(in.Unique, unix.EIO)
		return
	}
	copy(h.inOut[:], slot.reply[:])
	h.payloadSize = uint32(n - outHeaderSize)
}

// fail answers with an error.
func (slot *slot) fail(unique uint64, errno syscall.Errno) {
	*(*fuse.OutHeader)(unsafe.Pointer(&slot.header.inOut[0])) = fuse.OutHeader{
		Length: uint32(outHeaderSize), Status: -int32(errno), Unique: unique,
	}
	slot.header.payloadSize = 0
}
