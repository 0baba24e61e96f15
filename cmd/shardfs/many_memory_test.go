package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// The server of a mount of 64 remote shards, all of which are read at the same time, takes 256 MiB of memory and at most
// 1 MiB a shard.
func TestManyMemory(t *testing.T) {
	const shards, most = 64, 256 + 64 // MiB
	needFUSE(t)
	dir := t.TempDir()
	mnt, file := filepath.Join(dir, "mnt"), filepath.Join(dir, "shard.tar")
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "0.bin"), make([]byte, 6<<20), 0o600))
	if out, err := exec.Command("tar", "-C", dir, "-cf", file, "0.bin").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	shardtest.Check(t, err)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, ".tar") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}))
	defer web.Close()
	cmd := shardfsIn(dir, "mount", "-f", fmt.Sprintf("%s/{00..%d}.tar", web.URL, shards-1), mnt)
	shardtest.Check(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Signal(unix.SIGTERM)
	testtime.Eventually(t, "the mount", func() bool {
		names, err := os.ReadDir(mnt)
		return err == nil && len(names) == shards
	})
	var readers sync.WaitGroup
	for i := range shards {
		readers.Go(func() {
			f, err := os.Open(filepath.Join(mnt, fmt.Sprintf("%02d", i), "0", "sample.bin"))
			if err == nil {
				defer f.Close()
				_, err = io.Copy(io.Discard, f)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	shardtest.Check(t, err)
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	if _, err := fmt.Sscan(peak, &kib); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB", kib>>10)
	if kib>>10 > most && !raced() {
		t.Errorf("the server takes %d MiB of memory, at most %d are expected", kib>>10, most)
	}
}

// raced reports whether this program has the race detector, which takes several times as much memory.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}
