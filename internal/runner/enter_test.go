package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// placed returns a place for a job.
func placed(p Place) func(context.Context, int) (Place, error) {
	return func(context.Context, int) (Place, error) { return p, nil }
}

// runAt runs a job at a place and returns what it has printed and its error.
func runAt(t *testing.T, p Place) (printed string, failed error) {
	t.Helper()
	o := shell("pwd -P")
	var out strings.Builder
	for res, err := range allResults(t.Context(), o, func(yield func(Job) bool) { yield(Job{Prepare: placed(p)}) }) {
		if err != nil {
			t.Fatal(err)
		}
		failed = res.Err
		res.Output.WriteTo(&out)
	}
	return strings.TrimSuffix(out.String(), "\n"), failed
}

// Below Place.Within no symbolic link is followed, so that whoever can write there does not decide where a command runs.
func TestWithin(t *testing.T) {
	noLeaks(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"real/a", "elsewhere/a"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "real", "real/out": "../elsewhere"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		within, path string
		want         string // "" means that the job fails
	}{
		{"real", "a", "real/a"},
		{"real", "", "real"},
		{"link", "a", "real/a"}, // the beginning itself may be a link
		{"real", "out", ""},
		{"real", "out/a", ""},
		{"real", "none", ""},
	} {
		p := Place{Dir: filepath.Join(dir, tt.within, tt.path), Within: filepath.Join(dir, tt.within)}
		out, err := runAt(t, p)
		if failed := errors.Is(err, errGone) && Failed(err); failed != (tt.want == "") {
			t.Errorf("%+v: %v", tt, err)
		}
		if tt.want != "" && out != filepath.Join(dir, tt.want) {
			t.Errorf("%+v: ran in %s", tt, out)
		}
	}
	if out, err := runAt(t, Place{Dir: filepath.Join(dir, "real", "out", "a")}); err != nil || out == "" {
		t.Errorf("without Within: %v, %q", err, out)
	}
	if _, err := runAt(t, Place{Dir: filepath.Join(dir, "none")}); !errors.Is(err, errGone) {
		t.Errorf("a directory that is not there: %v", err)
	}
}

// A directory may have a path that is longer than a system call accepts.
func TestLongPath(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		skip.Without(t, "/proc: %v", err)
	}
	noLeaks(t)
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	long := strings.Repeat(strings.Repeat("d", 200)+"/", 30) + "end"
	if err := root.MkdirAll(long, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, within := range []string{"", dir} {
		o := shell("echo here >file")
		jobs := func(yield func(Job) bool) {
			yield(Job{Prepare: placed(Place{Dir: dir + "/" + long, Within: within})})
		}
		for res, err := range allResults(t.Context(), o, jobs) {
			if err != nil || res.Err != nil {
				t.Fatal(err, res.Err)
			}
		}
		if b, err := root.ReadFile(long + "/file"); err != nil || string(b) != "here\n" {
			t.Errorf("%q, %v", b, err)
		}
		if err := root.Remove(long + "/file"); err != nil {
			t.Error(err)
		}
	}
	gone := Place{Dir: dir + "/" + long + "/none"}
	if _, err := runAt(t, gone); !errors.Is(err, errGone) {
		t.Errorf("%.100v", err)
	}
	if len(gone.Dir) < unix.PathMax {
		t.Fatal("the path is too short for this test")
	}
}
