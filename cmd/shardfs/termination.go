package main

import (
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/ui"
)

// terminationVariable is the environment variable with the name of a file that gets the last error, as Kubernetes shows it of
// a container that has ended.
const terminationVariable = "SHARDFS_TERMINATION_LOG"

// maxTermination is how many bytes Kubernetes takes from the file.
const maxTermination = 4096

// writeTermination writes the last error that the user was told of to the file that is for it, if there are both. That it
// cannot be written changes nothing. A process in its own namespace has told of its errors, and does it.
func writeTermination(u *ui.UI) {
	name, text := os.Getenv(terminationVariable), u.LastError()
	if name == "" || text == "" {
		return
	}
	if len(text) >= maxTermination {
		text = text[:maxTermination-1]
		for !utf8.ValidString(text) { // LastError is Printable
			text = text[:len(text)-1]
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK, 0o666) // it may be a FIFO
	if err != nil {
		u.Detail("%s: %v", terminationVariable, err)
		return
	}
	defer f.Close()
	if _, err := f.WriteString(text + "\n"); err != nil {
		u.Detail("%s: %v", terminationVariable, err)
	}
}

// withoutTermination returns the environment of a run's commands: that file is not theirs.
func withoutTermination(env []string) (rest []string) {
	for _, v := range env {
		if !strings.HasPrefix(v, terminationVariable+"=") {
			rest = append(rest, v)
		}
	}
	return rest
}
