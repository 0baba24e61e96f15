package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// memoryGroup makes a control group whose processes may use so many bytes of memory together, and returns its directory.
func memoryGroup(t *testing.T, bytes int) string {
	t.Helper()
	const top = "/sys/fs/cgroup"
	limit, under := "memory.max", top
	if _, err := os.Stat(top + "/memory/memory.limit_in_bytes"); err == nil { // version 1
		limit, under = "memory.limit_in_bytes", top+"/memory"
	} else if err := os.WriteFile(top+"/cgroup.subtree_control", []byte("+memory"), 0); err != nil {
		skip.Without(t, "control groups of memory: %v", err)
	}
	dir := filepath.Join(under, fmt.Sprintf("shardfs-test-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		skip.Without(t, "the right to make a control group: %v", err)
	}
	t.Cleanup(func() {
		testtime.Eventually(t, "the end of the group", func() bool {
			err := os.Remove(dir)
			return err == nil || errors.Is(err, os.ErrNotExist)
		})
	})
	if err := os.WriteFile(filepath.Join(dir, limit), fmt.Append(nil, bytes), 0); err != nil {
		skip.Without(t, "control groups of memory: %v", err)
	}
	return dir
}

// Runs over compressed shards finish in 96 MiB, with the files that the kernel caches.
func TestMemoryOfGroup(t *testing.T) {
	if raced() {
		skip.Without(t, "a build without the race detector, which make test runs, too")
	}
	group := memoryGroup(t, 96<<20)
	dir := t.TempDir()
	var shard bytes.Buffer
	z := gzip.NewWriter(&shard)
	w := tar.NewWriter(z)
	noise := rand.NewChaCha8([32]byte{1})
	content := make([]byte, 1<<20)
	for i := range manyOrFew(1000, 160) {
		noise.Read(content)
		header := &tar.Header{Name: fmt.Sprintf("%04d.bin", i), Size: int64(len(content)), Mode: 0o644}
		shardtest.Check(t, w.WriteHeader(header))
		_, err := w.Write(content)
		shardtest.Check(t, err)
	}
	shardtest.Check(t, errors.Join(w.Close(), z.Close()))
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "in.tgz"), shard.Bytes(), 0o644))
	blocks := exec.Command("xz", "-0", "-T2", "--block-size=32MiB", "-c")
	blocks.Stdin = bytes.NewReader(repetitive(t))
	packed, err := blocks.Output()
	shardtest.Check(t, err)
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "in.tar.xz"), packed, 0o644))
	for _, args := range []string{
		"index in.tar.xz",
		"run -j 4 -c 'cat sample.bin >/dev/null' in.tgz -o out.tgz",
		"run -j 4 --workspace dir -c 'echo >>sample.bin' in.tgz -o out.tar.zst",
		"run -j 2 -c true -o out.tar - <in.tgz",
		"pack in.tgz --shuffle 100 -o out.tgz",
	} {
		script := fmt.Sprintf("echo $$ >%s/cgroup.procs; exec shardfs %s", group, args)
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TMPDIR="+dir, "XDG_CACHE_HOME="+dir,
			statusVariable+"="+filepath.Join(dir, "status"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", args, err, strings.TrimSpace(string(out)))
		}
	}
}

// repetitive returns a tar of 128 MiB of texts that repeat themselves.
func repetitive(t *testing.T) []byte {
	var shard bytes.Buffer
	w := tar.NewWriter(&shard)
	content := bytes.Repeat([]byte("all work and no play\n"), 1<<20/21)
	for i := range 128 {
		header := &tar.Header{Name: fmt.Sprintf("%04d.txt", i), Size: int64(len(content)), Mode: 0o644}
		shardtest.Check(t, w.WriteHeader(header))
		_, err := w.Write(content)
		shardtest.Check(t, err)
	}
	shardtest.Check(t, w.Close())
	return shard.Bytes()
}
