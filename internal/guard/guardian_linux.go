package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/mounts"
)

// A socket links a guardian to the process that has started it. That process sends messages, each of which is answered.
// When it closes its end, or has ended, the guardian ends if nothing is left to guard, or says that it stays.

// Variable is the environment variable that marks a guardian's process: if it is set, the program calls Serve.
const Variable = "SHARDFS_GUARDIAN"

// File descriptors in the guardian's process.
const (
	linkFD  = 3 + iota // the socket
	filesFD            // those of the first file, and after them those of the next

	treeFD  = 0 // of those of a file: its own mount
	leaseFD = 1 // for the guardian's lease
	peerFD  = 2 // with the lease of the process that has started it
	perFile = 3
)

// message tells a guardian everything that the other process knows.
type message struct {
	Files  int   // how many there are
	Used   []int // those that the file system has open
	Denied []int // those of which reads are denied, because the lease was broken
	Mount  mount // what to detach; no path means nothing

	Private []byte // Command.Private
}

// reply is the answer to a message.
type reply struct {
	Error string // why there is no guardian; "" means that there is
	Mount mount  // that of the message, with its number
	Last  bool   // it is no answer: the guardian ends, or stays because the file system is still in use
}

// answerWithin limits how long a guardian may take to answer, which is at once unless it is stopped.
const answerWithin = time.Minute

// A guardian is the guardian's process, as the process sees it that has started it.
type guardian struct {
	cmd     *exec.Cmd
	link    *os.File
	replies *json.Decoder
	leases  []lease       // its leases
	ended   chan struct{} // closed when the process has ended
}

// startGuardian starts a process. It guards when it has been told something.
func startGuardian(g *Guard) (*guardian, error) {
	n := &guardian{ended: make(chan struct{})}
	var files []*os.File
	for _, f := range g.files {
		own, err := newLease(int(f.lease.file.Fd()))
		if err != nil {
			return nil, errors.Join(err, n.closeLeases())
		}
		n.leases = append(n.leases, own)
		files = append(files, f.tree, own.file, f.lease.file)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("socketpair", err), n.closeLeases())
	}
	link, theirs := os.NewFile(uintptr(pair[0]), "link"), os.NewFile(uintptr(pair[1]), "link")
	// That path leads to this program even if another one has taken its place.
	cmd := exec.Command("/proc/self/exe", g.command.Args...)
	cmd.Args[0] = name
	cmd.Env = append(slices.Clone(g.command.Env), Variable+"=1")
	cmd.Dir = "/" // it keeps no file system busy
	cmd.ExtraFiles = append([]*os.File{theirs}, files...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: !g.command.SameGroup}
	err = errors.Join(cmd.Start(), theirs.Close())
	if err != nil {
		return nil, errors.Join(err, link.Close(), n.closeLeases())
	}
	n.cmd, n.link, n.replies = cmd, link, json.NewDecoder(link)
	go func() {
		cmd.Wait()
		close(n.ended)
	}()
	return n, nil
}

// closeLeases closes the guardian's leases, which it has itself, too.
func (n *guardian) closeLeases() error {
	var errs []error
	for _, l := range n.leases {
		errs = append(errs, l.file.Close())
	}
	return errors.Join(errs...)
}

// tell sends a message and returns the answer.
func (n *guardian) tell(m message) (reply, error) {
	var r reply
	err := n.link.SetDeadline(time.Now().Add(answerWithin))
	if err == nil {
		err = json.NewEncoder(n.link).Encode(m)
	}
	if err == nil {
		err = n.replies.Decode(&r)
	}
	if err == nil && r.Error != "" {
		return r, fmt.Errorf("%w: %s", ErrUnguardable, r.Error)
	}
	if err != nil {
		return r, fmt.Errorf("guardian: %w", err)
	}
	return r, nil
}

// leave lets the guardian end, and returns when it is about to, or when it stays because the file system is in use and has
// all reads denied.
func (n *guardian) leave() error {
	conn, err := n.link.SyscallConn()
	if err == nil {
		conn.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_WR) })
	}
	err = errors.Join(err, n.link.SetReadDeadline(time.Now().Add(answerWithin)))
	var r reply
	for last := error(nil); last == nil && !r.Last; {
		last = n.replies.Decode(&r)
	}
	return errors.Join(err, n.link.Close(), n.closeLeases())
}

// Serve is what a guardian does. It returns when nothing is left to guard. The program must not do anything else.
func Serve() error {
	unix.CloseOnExec(linkFD)
	hide()
	link := os.NewFile(linkFD, "link")
	defer link.Close()
	messages, replies := json.NewDecoder(link), json.NewEncoder(link)
	var m message
	if err := messages.Decode(&m); err != nil {
		return err // the process that has started this one has ended, and so has what it has mounted, if anything
	}
	s, err := serveFiles(m.Files)
	if err != nil {
		replies.Encode(reply{Error: err.Error()})
		return err
	}
	w := s.watch
	for trimmed := false; replies.Encode(s.obey(m)) == nil; {
		if len(m.Mount.Path) > 0 && !trimmed { // the mount is made: it may take long until there is more to do
			trim()
			trimmed = true
		}
		m = message{}
		if messages.Decode(&m) != nil {
			break
		}
	}
	w.deny(context.Background(), w.all())
	if len(w.group.used()) == 0 {
		// Whoever has unmounted may unmount the shard's file system next.
		err := errors.Join(w.group.close(), s.close())
		return errors.Join(err, replies.Encode(reply{Last: true}))
	}
	replies.Encode(reply{Last: true})
	if s.mount.ID != 0 {
		s.mount.detach() // if it cannot, nothing can be read but what is cached
	}
	if s.private != "" {
		mounts.DetachOf(s.private)
	}
	for len(w.group.used()) > 0 {
		<-w.group.change
	}
	return s.close()
}

// serveFiles begins to guard the files that the process was started with.
func serveFiles(n int) (*served, error) {
	s := &served{}
	var trees []int
	var own, peers []lease
	for i := range n {
		first := filesFD + i*perFile
		for fd := first; fd < first+perFile; fd++ {
			unix.CloseOnExec(fd)
		}
		tree := os.NewFile(uintptr(first+treeFD), "mount of a shard")
		l := lease{os.NewFile(uintptr(first+leaseFD), "lease")}
		peer := lease{os.NewFile(uintptr(first+peerFD), "lease")}
		s.files = append(s.files, tree, l.file, peer.file)
		trees, own, peers = append(trees, first+treeFD), append(own, l), append(peers, peer)
	}
	var err error
	if s.watch, err = newWatch(trees, own); err != nil {
		return nil, err
	}
	s.watch.setPeers(peers)
	go s.watch.group.run()
	return s, nil
}

// served is what a guardian knows.
type served struct {
	watch   *watch
	files   []*os.File // that the process was started with
	mount   mount
	private string // Command.Private
	runs    bool   // the watch is running
}

// close closes the files that the process was started with.
func (s *served) close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// obey does what a message says.
func (s *served) obey(m message) reply {
	for i, l := range s.watch.own {
		if s.runs || slices.Contains(m.Denied, i) {
			continue
		}
		if err := l.take(); err != nil {
			return reply{Error: err.Error()}
		}
	}
	if len(m.Denied) > 0 && !s.watch.deny(context.Background(), m.Denied) {
		return reply{Error: "reads cannot be denied"}
	}
	s.watch.group.setUsed(m.Used)
	s.mount, s.private = m.Mount, string(m.Private)
	if len(m.Mount.Path) > 0 && m.Mount.ID == 0 {
		var err error
		if s.mount, err = describe(string(m.Mount.Path)); err != nil {
			return reply{Error: err.Error()}
		}
		unix.Setsid() // fails if it has a session of its own already
	}
	if !s.runs {
		s.runs = true
		go s.watch.run(context.Background())
	}
	return reply{Mount: s.mount}
}
