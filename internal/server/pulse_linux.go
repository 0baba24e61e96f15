package server

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A pulse shows, without waking the server, whether it is alive and whether it has refused nothing. A look costs two system
// calls. A private server's parent has it.
type pulse struct {
	pidfd int      // of the server; -1 if there is none
	file  *os.File // of which the server locks a byte until it refuses a request, or ends
}

// newPulse returns a pulse for a server that is yet to be started.
func newPulse() (pulse, error) {
	const name = "shardfs-pulse"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return pulse{}, os.NewSyscallError("memfd_create", err)
	}
	return pulse{-1, os.NewFile(uintptr(fd), name)}, nil
}

// setPulse is called by the server: with unix.F_WRLCK before it serves, and with unix.F_UNLCK before it refuses a request.
func setPulse(how int16) error {
	l := unix.Flock_t{Type: how, Whence: io.SeekStart, Len: 1}
	return os.NewSyscallError("fcntl", unix.FcntlFlock(pulseFD, unix.F_SETLK, &l))
}

// isGood reports whether the server has refused nothing and has not ended.
func (p pulse) isGood() bool {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Len: 1}
	err := unix.FcntlFlock(p.file.Fd(), unix.F_GETLK, &l)
	return err == nil && l.Type != unix.F_UNLCK
}

// isAlive reports whether the server will go on. It is false from the moment at which the server has been killed, or exits.
// A pidfd cannot tell that: the kernel ends a process step by step, and it has failed requests to the mount, and has thrown
// its memory away, long before the process has ended. Only process_mrelease(2), which helps with that, says when a process
// is not being ended. Known is false if the kernel does not answer, as before Linux 5.15 and in some sandboxes.
func (p pulse) isAlive() (alive, known bool) {
	_, _, err := unix.Syscall(unix.SYS_PROCESS_MRELEASE, uintptr(p.pidfd), 0, 0)
	switch err {
	case unix.EINVAL:
		return true, true
	case 0, unix.ESRCH, unix.EAGAIN, unix.EINTR:
		return false, true
	}
	return false, false
}

// close ends the use of the pulse.
func (p pulse) close() {
	p.file.Close()
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
	}
}
