package workspace

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/ramdisk"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/ui"
)

// Copies are in memory until they are to leave it, and nothing stays there.
func TestMemory(t *testing.T) {
	shardtest.NeedRoot(t)
	disk, err := ramdisk.Mount(t.TempDir())
	if err != nil {
		skip.Without(t, "a file system in memory: %v", err)
	}
	defer disk.Close()
	n, err := source.Resolve(shardtest.Write(t, "a.x", "a.y", "b.x"))
	shardtest.Check(t, err)
	temp := t.TempDir()
	w, err := Open(t.Context(), n, Options{
		Mode: Copy, TempDir: temp, Memory: disk, Source: source.Options{UI: &ui.UI{Quiet: true}},
	})
	shardtest.Check(t, err)
	for task, err := range w.Tasks() {
		shardtest.Check(t, err)
		for attempt, in := range []string{disk.Dir, disk.Dir, temp, temp} {
			if attempt == 2 {
				task.Leave()
			}
			dir, err := task.Prepare(t.Context(), attempt+1)
			shardtest.Check(t, err)
			if !strings.HasPrefix(dir, in+"/") {
				t.Errorf("attempt %d of %s is in %s, want %s", attempt+1, task.Key, dir, in)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "sample.x")); err != nil || string(b) != task.Key+".x" {
				t.Errorf("attempt %d of %s: sample.x holds %q, %v", attempt+1, task.Key, b, err)
			}
			if task.Lacked(true) || task.Lacked(false) {
				t.Errorf("attempt %d of %s lacked room", attempt+1, task.Key)
			}
		}
		shardtest.Check(t, task.Free())
	}
	shardtest.Check(t, w.Close())
	for _, dir := range []string{disk.Dir, temp} {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", dir, left, err)
		}
	}
}
