package runner

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openTerminal makes a terminal with the size of like that does not change the output. It returns the end to read from
// and the command's end, which can only be written to: nobody types there. It is opened by TIOCGPTPEER, not by a path
// below /dev/pts, which in a container may belong to another terminal.
func openTerminal(like *os.File) (reader, command int, err error) {
	reader, err = unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	if command, err = openCommandEnd(reader, like); err != nil {
		unix.Close(reader)
		return -1, -1, err
	}
	return reader, command, nil
}

func openCommandEnd(reader int, like *os.File) (int, error) {
	if err := unix.IoctlSetPointerInt(reader, unix.TIOCSPTLCK, 0); err != nil {
		return -1, err
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(reader), unix.TIOCGPTPEER,
		unix.O_WRONLY|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, errno
	}
	command := int(fd)
	t, err := unix.IoctlGetTermios(command, unix.TCGETS)
	if err == nil {
		t.Oflag &^= unix.OPOST // no carriage return before a newline
		err = unix.IoctlSetTermios(command, unix.TCSETS, t)
	}
	if err != nil {
		unix.Close(command)
		return -1, err
	}
	if size, err := unix.IoctlGetWinsize(int(like.Fd()), unix.TIOCGWINSZ); err == nil {
		unix.IoctlSetWinsize(command, unix.TIOCSWINSZ, size) // only the width of a listing depends on it
	}
	return command, nil
}

// mayHaveTerminal reports whether the session of this process has a terminal, /dev/tty, unless that cannot be. If it has
// none, its commands need no sessions of their own. Those are dear: the kernel makes a group for each in which it shares out
// the processors, so where these are busy the start of a command waits.
func mayHaveTerminal() bool {
	fd, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err != unix.ENXIO
}

// writeOnly opens a file again, for writing only, if it is a terminal and that is possible: a command that reads from
// it, as programs do that ask for a password, then fails instead of waiting. The caller closes what is not f.
func writeOnly(f *os.File) *os.File {
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return f
	}
	name := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	only, err := os.OpenFile(name, unix.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return f
	}
	return only
}
