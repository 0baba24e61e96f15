package runner

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// A command sees a terminal of the right width, and its output arrives unchanged, even if it is longer than the
// terminal's buffer.
func TestTerminal(t *testing.T) {
	noLeaks(t)
	reader, command, err := openTerminal(os.Stdin)
	if err != nil {
		skip.Without(t, "a terminal: %v", err)
	}
	defer unix.Close(reader)
	like := os.NewFile(uintptr(command), "terminal")
	defer like.Close()
	if err := unix.IoctlSetWinsize(command, unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 43}); err != nil {
		t.Fatal(err)
	}
	o := shell(`test -t 1 && stty size <&1 && printf 'a\n\tb\004\003' && head -c 300000 /dev/zero | tr '\0' x`)
	o.Terminal = like
	res, out := one(t, o, t.TempDir())
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	const want = "10 43\na\n\tb\004\003"
	if len(out) != len(want)+300000 || out[:len(want)] != want {
		t.Errorf("output of %d bytes, %.40q…, want %d bytes, %q…", len(out), out, len(want)+300000, want)
	}

	// A command that leaves the terminal to a child in the background does not hang the job.
	o.Argv = []string{"sh", "-c", "echo done; sleep 100 &"}
	if res, out := one(t, o, t.TempDir()); res.Err != nil || out != "done\n" {
		t.Errorf("%q, %v, want done", out, res.Err)
	}
}
