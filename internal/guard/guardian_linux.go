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
	treeFD             // the file's own mount
	leaseFD            // for the guardian's lease
	peerFD             // with the lease of the process that has started it
)

// message tells a guardian everything that the other process knows.
type message struct {
	Used   bool  // the file system has the file open
	Denies bool  // reads are denied, because the lease was broken
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
	lease   lease         // its lease
	ended   chan struct{} // closed when the process has ended
}

// startGuardian starts a process. It guards when it has been told something.
func startGuardian(g *Guard) (*guardian, error) {
	own, err := newLease(int(g.watch.own.file.Fd()))
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("socketpair", err), own.file.Close())
	}
	link, theirs := os.NewFile(uintptr(pair[0]), "link"), os.NewFile(uintptr(pair[1]), "link")
	// That path leads to this program even if another one has taken its place.
	cmd := exec.Command("/proc/self/exe", g.command.Args...)
	cmd.Args[0] = name
	cmd.Env = append(slices.Clone(g.command.Env), Variable+"=1")
	cmd.Dir = "/" // it keeps no file system busy
	cmd.ExtraFiles = []*os.File{theirs, g.tree, own.file, g.watch.own.file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = errors.Join(cmd.Start(), theirs.Close())
	if err != nil {
		return nil, errors.Join(err, link.Close(), own.file.Close())
	}
	n := &guardian{cmd: cmd, link: link, replies: json.NewDecoder(link), lease: own, ended: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(n.ended)
	}()
	return n, nil
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
	return errors.Join(err, n.link.Close(), n.lease.file.Close())
}

// Serve is what a guardian does. It returns when nothing is left to guard. The program must not do anything else.
func Serve() error {
	for fd := linkFD; fd <= peerFD; fd++ {
		unix.CloseOnExec(fd)
	}
	hide()
	link := os.NewFile(linkFD, "link")
	defer link.Close()
	own := lease{os.NewFile(leaseFD, "lease")}
	w, err := newWatch(treeFD, own)
	if err != nil {
		json.NewEncoder(link).Encode(reply{Error: err.Error()})
		return err
	}
	peer := lease{os.NewFile(peerFD, "lease")}
	w.setPeer(peer)
	s := &served{watch: w}
	go w.group.run()
	messages, replies := json.NewDecoder(link), json.NewEncoder(link)
	for {
		var m message
		if messages.Decode(&m) != nil || replies.Encode(s.obey(m)) != nil {
			break
		}
	}
	w.deny(context.Background())
	if !w.group.isUsed() {
		// Whoever has unmounted may unmount the shard's file system next.
		errs := errors.Join(w.group.close(), own.file.Close(), peer.file.Close(), unix.Close(treeFD))
		return errors.Join(errs, replies.Encode(reply{Last: true}))
	}
	replies.Encode(reply{Last: true})
	if s.mount.ID != 0 {
		s.mount.detach() // if it cannot, nothing can be read but what is cached
	}
	if s.private != "" {
		mounts.DetachOf(s.private)
	}
	for w.group.isUsed() {
		<-w.group.change
	}
	return nil
}

// served is what a guardian knows.
type served struct {
	watch   *watch
	mount   mount
	private string // Command.Private
	runs    bool   // the watch is running
}

// obey does what a message says.
func (s *served) obey(m message) reply {
	if !s.runs && !m.Denies {
		if err := s.watch.own.take(); err != nil {
			return reply{Error: err.Error()}
		}
	}
	if m.Denies && !s.watch.deny(context.Background()) {
		return reply{Error: "reads cannot be denied"}
	}
	s.watch.group.setUsed(m.Used)
	s.mount, s.private = m.Mount, string(m.Private)
	if len(m.Mount.Path) > 0 && m.Mount.ID == 0 {
		var err error
		if s.mount, err = describe(string(m.Mount.Path)); err != nil {
			return reply{Error: err.Error()}
		}
	}
	if !s.runs {
		s.runs = true
		go s.watch.run(context.Background())
	}
	return reply{Mount: s.mount}
}
