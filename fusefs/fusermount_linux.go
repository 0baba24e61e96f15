package fusefs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// fusermount is the setuid program that mounts and unmounts for users without the capability.
const fusermount = "fusermount3"

// errHelper means that fusermount3 has failed.
var errHelper = errors.New(fusermount)

// runHelper mounts FUSE with fusermount3, and returns the connection: an open /dev/fuse. The error is exec.ErrNotFound
// if there is no fusermount3, and errHelper with its message if it fails.
func runHelper(mountpoint string, options []string) (dev int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	escaped := make([]string, len(options))
	for i, option := range options {
		escaped[i] = escape.Replace(option)
	}
	cmd := exec.Command(fusermount, "-o", strings.Join(escaped, ","), "--", mountpoint)
	cmd.Env = []string{"_FUSE_COMMFD=3"}
	cmd.ExtraFiles = []*os.File{theirs}
	out, err := cmd.CombinedOutput()
	theirs.Close()
	var exit *exec.ExitError
	switch said := strings.TrimSpace(strings.ReplaceAll(string(out), fusermount+": ", "")); {
	case errors.As(err, &exit) && said != "":
		return -1, fmt.Errorf("%w: %s", errHelper, strings.Join(strings.FieldsFunc(said, isNewline), "; "))
	case errors.As(err, &exit):
		return -1, fmt.Errorf("%w: %w", errHelper, err)
	case err != nil:
		return -1, err
	}
	return receiveFile(ours)
}

func isNewline(r rune) bool { return r == '\n' }

// receiveFile receives an open file from a socket.
func receiveFile(socket *os.File) (fd int, err error) {
	data, control := make([]byte, 4), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(socket.Fd()), data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return -1, err
	}
	for _, m := range messages {
		if fds, err := unix.ParseUnixRights(&m); err == nil && len(fds) == 1 {
			return fds[0], nil
		}
	}
	return -1, fmt.Errorf("%w: it has sent no connection", errHelper)
}
