package main

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// docs/exit-status.md has the exit statuses, and no others.
func TestExitStatusDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/exit-status.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9]+) \|`).FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, row[1])
	}
	var all []string
	for _, err := range []error{
		nil, job.ErrSampleFailed, job.ErrPartial, ui.Usagef("x"), index.ErrDamaged, fs.ErrNotExist,
		store.ErrUnreachable, unix.EIO, scratch.ErrInUse, fs.ErrPermission, interrupted{syscall.SIGHUP},
		interrupted{syscall.SIGINT}, interrupted{syscall.SIGQUIT}, unix.EPIPE, interrupted{syscall.SIGTERM},
	} {
		all = append(all, fmt.Sprint(exitStatus(err)))
	}
	if got, want := strings.Join(documented, " "), strings.Join(all, " "); got != want {
		t.Errorf("documented: %s, want %s", got, want)
	}
}
