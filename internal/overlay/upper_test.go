package overlay

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/view"
)

// Another process that opens the scratch directory sees the changes, but no unfinished files.
func TestContinue(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scratch")
	sh := shardtest.Open(t, "a.x", "b.x", "c/d.x")
	h := newHandIn(t, sh, dir)
	if changed, err := h.scratch.HasChanges(); changed || err != nil {
		t.Errorf("a new scratch has changes: %v, %v", changed, err)
	}
	h.write("a/sample.x", "changed")
	h.rm("b")
	h.mv("c", "moved")
	h.close()
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "work", "leftover"), nil, 0o000))
	shardtest.Check(t, os.MkdirAll(filepath.Join(dir, "work", "left", "over"), 0o700))
	h = newHandIn(t, sh, dir)
	if got := h.read("a/sample.x") + " " + h.read("moved/d/sample.x"); got != "changed c/d.x" {
		t.Errorf("opened again, the files hold %q", got)
	}
	if _, err := h.Lookup(view.Root, "b"); err != unix.ENOENT {
		t.Errorf("opened again, b is there: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "work")); err != nil || len(left) > 0 {
		t.Errorf("left in the work directory: %v, %v", left, err)
	}
}

// A file system without what overlayfs needs is refused, and the error says why.
func TestFileSystemWithoutXattrs(t *testing.T) {
	shardtest.NeedRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "ramfs", 0, ""); err != nil {
		skip.Without(t, "to mount a ramfs: %v", err)
	}
	defer unix.Unmount(dir, 0)
	s, err := scratch.Create(filepath.Join(dir, "scratch"))
	shardtest.Check(t, err)
	defer s.Close()
	sh := shardtest.Open(t, "a.x")
	shardtest.Check(t, s.Bind(sh, ""))
	o, err := New(s, sh)
	shardtest.Check(t, err)
	defer o.Close()
	if _, err := NewTree(o); !errors.Is(err, unix.ENOTSUP) || !strings.Contains(err.Error(), "extended attributes") {
		t.Errorf("NewTree: %v", err)
	}
}

// PrepareUpper records with which prefix attributes are set, and refuses changes that overlayfs would misread.
func TestPrepareUpper(t *testing.T) {
	sh := shardtest.Open(t, "a.x")
	for _, tt := range []struct {
		name     string
		recorded string // before
		changed  bool
		refused  bool
	}{
		{"new", "", false, false},
		{"unchanged, of another prefix", "other.", false, false},
		{"changed by an old build", "", true, false},
		{"changed", trustedPrefix, true, false},
		{"changed with the other prefix", "other.", true, true},
		{"changed with both", mixedPrefix, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := scratch.Create(filepath.Join(t.TempDir(), "scratch"))
			shardtest.Check(t, err)
			defer s.Close()
			shardtest.Check(t, s.Bind(sh, ""))
			shardtest.Check(t, s.SetXattrPrefix(tt.recorded))
			if tt.changed {
				shardtest.Check(t, os.Mkdir(filepath.Join(s.Upper(), "a"), 0o755))
			}
			userXattr, err := PrepareUpper(s)
			if os.Geteuid() == 0 && userXattr && !tt.refused {
				t.Error("root cannot set attributes of trusted.overlay")
			}
			if refused := tt.refused || tt.changed && os.Geteuid() != 0; refused != errors.Is(err, errXattrs) {
				t.Fatalf("PrepareUpper: %v, refused should be %v", err, refused)
			} else if refused {
				return
			}
			if _, err := os.Stat(s.Lower()); err != nil {
				t.Error(err)
			}
			again, err := scratch.Open(s.Dir)
			shardtest.Check(t, err)
			want := trustedPrefix
			if userXattr {
				want = userPrefix
			}
			if again.XattrPrefix() != want {
				t.Errorf("recorded is %q, want %q", again.XattrPrefix(), want)
			}
		})
	}
}

// A reader returns an error if directories are renamed for longer than it retries.
func TestRetryIfMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			fails int // calls that fail, and the error of them
			err   error
			want  string // the error in the end
			calls int    // at least
		}{
			{0, nil, "", 1},
			{5, unix.ENOENT, "", 6},
			{5, unix.ENOTDIR, "", 6},
			{1 << 30, unix.ENOENT, "renamed or deleted during each of", 20},
			{1 << 30, unix.EIO, "input/output error", 1},
		} {
			calls := 0
			start := time.Now()
			err := retryIfMoved(func() error {
				if calls++; calls <= tt.fails {
					return tt.err
				}
				return nil
			})
			if (err == nil) != (tt.want == "") ||
				err != nil && (!errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%d times %v: %v, want %q", tt.fails, tt.err, err, tt.want)
			}
			if calls < tt.calls || calls > 200 || time.Since(start) > 3*time.Second {
				t.Errorf("%d times %v: %d calls in %v", tt.fails, tt.err, calls, time.Since(start))
			}
		}
	})
}
