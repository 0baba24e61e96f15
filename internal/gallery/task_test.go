package gallery

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Work runs once however many ask for it, goes on when it has to be continued, and ends with the gallery.
func TestTasks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	of := &tasks{ctx: ctx, uses: new(uses)}
	var one task
	begun, end := make(chan int, 10), make(chan struct{})
	run := func(ctx context.Context) {
		begun <- 1
		select {
		case <-end:
		case <-ctx.Done():
		}
	}
	gone, goAway := context.WithCancel(ctx)
	goAway()
	for range 3 {
		one.ask(gone, of, run)
	}
	testtime.Receive(t, begun, "the work")
	if len(begun) > 0 {
		t.Error("begun twice")
	}
	close(end)
	of.all.Wait()
	one.ask(ctx, of, run)
	testtime.Receive(t, begun, "the work again")
	end = make(chan struct{})
	one.ask(gone, of, run)
	cancel()
	of.all.Wait()
	one.ask(ctx, of, run)
	of.all.Wait()
}

// A thumbnail that nobody waits for any more is not made.
func TestThumbCancelled(t *testing.T) {
	all := newThumbs()
	shardtest.Check(t, all.cpus.Acquire(t.Context(), all.most))
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() {
		_, err := all.get(ctx, thumbKey{}, func() (thumb, error) {
			t.Error("it is made")
			return thumb{}, nil
		})
		waits <- err
	}()
	cancel()
	if err := testtime.Receive(t, waits, "the end of the wait"); err == nil {
		t.Error("no error")
	}
}

func TestStatistics(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "folder")
	shardtest.Check(t, os.MkdirAll(dir, 0o755))
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "x.txt"), []byte("hello"), 0o644))
	s := serve(t, writeShard(t, "a.cls", "1", "a.jpg", testPicture(t, 30, 20), "b.cls", "1"), dir)
	var out statisticsJSON
	testtime.Eventually(t, "the statistics", func() bool {
		out = statisticsJSON{}
		s.get("api/statistics", &out)
		return out.Done == 1
	})
	if out.Error != "" || out.Survey == nil || out.Survey.Samples != 3 || out.Survey.Members != 4 ||
		len(out.Survey.Shards) != 2 {
		t.Errorf("%+v", out)
	}
	if status, _, body := s.do("raw/2/0", nil); status != http.StatusOK || body != "hello" {
		t.Errorf("a file of the folder: %d %s", status, body)
	}
}

// What is kept of statistics is that of the shard as it is, and is made again if it is damaged.
func TestKeptStatistics(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	name := writeShard(t, "a.cls", "1")
	check := func(samples int64, files int) []string {
		t.Helper()
		s := serveIn(t, cache, name)
		var out statisticsJSON
		testtime.Eventually(t, "the statistics", func() bool {
			out = statisticsJSON{}
			s.get("api/statistics", &out)
			return out.Done == 1
		})
		kept, err := filepath.Glob(filepath.Join(cache, "*"+surveySuffix))
		shardtest.Check(t, err)
		if out.Survey == nil || out.Survey.Samples != samples || len(kept) != files {
			t.Errorf("%+v, %q, want %d samples", out.Survey, kept, samples)
		}
		return kept
	}
	kept := check(1, 1)
	check(1, 1)
	shardtest.Check(t, os.WriteFile(kept[0], []byte(`{"samples":`), 0o600))
	check(1, 1)
	shardtest.Check(t, os.Rename(writeShard(t, "a.cls", "1", "b.cls", "2"), name))
	check(2, 2)
}

// A folder and a directory of sample directories have samples, too; links and other special files are none of them.
func TestDirectories(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/sample.txt", "a/sample.cls", "b/sample.txt"} {
		shardtest.Check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		shardtest.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
	}
	shardtest.Check(t, os.Symlink("/etc/passwd", filepath.Join(dir, "a", "sample.link")))
	s := serve(t, dir)
	var all samplesJSON
	s.get("api/samples", &all)
	if all.Total != 2 || len(all.Samples[0].Members) != 2 || all.Samples[0].Key != "a" {
		t.Errorf("%+v", all)
	}
	shardtest.Check(t, os.Remove(filepath.Join(dir, "b", "sample.txt")))
	shardtest.Check(t, os.Symlink("/etc/passwd", filepath.Join(dir, "b", "sample.txt")))
	if status, _, body := s.do("raw/1/0", nil); status < 400 || strings.Contains(body, "root") {
		t.Errorf("a link is followed: %d %s", status, body)
	}
	if status, _, _ := s.do("raw/0/0", nil); status != http.StatusOK {
		t.Error(status)
	}
}
