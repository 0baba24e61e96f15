package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/corpus"
	"github.com/shardfs/shardfs/internal/testing/oddshards"
	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// started is a store with a server of its own.
type started struct {
	prefix string   // of the names of shards
	env    []string // by which shardfs finds the server
	put    func(name string, data []byte)
}

// starters start each store.
func starters() map[string]func(t *testing.T) started {
	const bucket = "bucket"
	s3 := func(start func(testing.TB) *servers.S3) func(t *testing.T) started {
		return func(t *testing.T) started {
			s := start(t)
			s.Bucket(t, bucket)
			return started{"s3://" + bucket + "/", s.Env(), func(name string, b []byte) { s.Put(t, bucket, name, b) }}
		}
	}
	return map[string]func(t *testing.T) started{
		"nginx": func(t *testing.T) started {
			s := servers.Nginx(t)
			return started{s.URL + "/", nil, func(name string, b []byte) { s.Put(t, name, b) }}
		},
		"versitygw": s3(servers.Versitygw),
		"rclone":    s3(servers.Rclone),
		"MinIO":     s3(servers.MinIO),
		"fake-gcs": func(t *testing.T) started {
			s := servers.FakeGCS(t)
			s.Bucket(t, bucket)
			return started{"gs://" + bucket + "/", s.Env(), func(name string, b []byte) { s.Put(t, bucket, name, b) }}
		},
		"Azurite": func(t *testing.T) started {
			s := servers.Azurite(t)
			s.Container(t, bucket, false)
			return started{"az://" + bucket + "/", s.Env(), func(name string, b []byte) { s.Put(t, bucket, name, b) }}
		},
		"Swift": func(t *testing.T) started {
			s := servers.Swift(t)
			s.Container(t, bucket)
			put := func(name string, b []byte) { s.Put(t, bucket, name, b) }
			return started{"swift://" + bucket + "/", s.Env(), put}
		},
	}
}

// A mount of shards in any store shows what a mount of the same files shows, also of odd and of damaged ones.
func TestMountedStores(t *testing.T) {
	needFUSE(t)
	dir, local := t.TempDir(), t.TempDir()
	shards := oddFiles(t)
	for name, data := range shards {
		shardtest.Check(t, os.WriteFile(filepath.Join(local, name), data, 0o644))
	}
	want := walkMounted(t, dir, started{prefix: local + "/"}, shards)
	for shard := range shards {
		if len(want[shard]) > 100_000 { // thousands of directories take seconds
			delete(shards, shard)
		}
	}
	for name, start := range starters() {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			shards := maps.Clone(shards)
			maps.DeleteFunc(shards, func(shard string, _ []byte) bool {
				return name != "nginx" && !servers.Slow() && !strings.HasSuffix(shard, "0.tar") // a tenth is enough
			})
			for name, data := range shards {
				s.put(name, data)
			}
			got := walkMounted(t, dir, s, shards)
			for shard := range shards {
				if got, want := got[shard], want[shard]; got != want && !(refused(got) && refused(want)) {
					t.Errorf("%s: %s", shard, firstDifference(got, want))
				}
			}
		})
	}
}

// firstDifference returns the first line in which two texts differ.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d shows\n%.200s, want\n%.200s", i, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(g), len(w))
}

// refused reports whether a part of what a shard should show is an error: how much is seen before that depends on whether
// the shard is already indexed.
func refused(shown string) bool { return strings.Contains(shown, unix.EIO.Error()) }

// oddFiles returns odd shards, and those of the repository's corpus, by names without meaning.
func oddFiles(t *testing.T) map[string][]byte {
	all := make(map[string][]byte)
	add := func(data []byte) {
		if len(data) < 1<<20 {
			all[fmt.Sprintf("%04d.tar", len(all))] = data
		}
	}
	for _, s := range oddshards.All() {
		for _, f := range s.Files {
			add(f.Data)
		}
	}
	for _, a := range corpus.Archives(t) {
		if a.Ours {
			add(a.Content)
		}
	}
	return all
}

// walkMounted mounts shards of a store in dir, and returns what each shows. Errors depend on the length of that path.
func walkMounted(t *testing.T, dir string, s started, shards map[string][]byte) map[string]string {
	t.Helper()
	var names strings.Builder
	for shard := range shards {
		fmt.Fprintln(&names, s.prefix+shard)
	}
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "list"), []byte(names.String()), 0o644))
	command := func(args ...string) {
		cmd := shardfsIn(dir, args...)
		cmd.Env = append(cmd.Env, s.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", args, err, out)
		}
	}
	command("mount", "@list", "mnt")
	defer command("umount", "mnt")
	shown := make(map[string]string)
	for shard := range shards {
		var b strings.Builder
		describe(&b, s.prefix, filepath.Join(dir, "mnt", strings.TrimSuffix(shard, ".tar")), "")
		shown[shard] = b.String()
	}
	return shown
}

// describe writes what is in a directory, with all that is below it, in the order of its listing, and errors.
func describe(b *strings.Builder, prefix, top, dir string) {
	f, err := os.Open(filepath.Join(top, dir))
	if err != nil {
		fmt.Fprintf(b, "%q: %v\n", dir, errors.Unwrap(err))
		return
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		fmt.Fprintf(b, "%q: %v\n", dir, errors.Unwrap(err))
	}
	for _, name := range names {
		name = filepath.Join(dir, name)
		info, err := os.Lstat(filepath.Join(top, name))
		if err != nil {
			fmt.Fprintf(b, "%q: %v\n", name, errors.Unwrap(err))
			continue
		}
		fmt.Fprintf(b, "%q %v", name, info.Mode())
		if info.IsDir() {
			fmt.Fprintln(b)
			describe(b, prefix, top, name)
			continue
		}
		content := contentOf(filepath.Join(top, name))
		if filepath.Base(name) == "__source__" {
			content = strings.Replace(content, prefix, "", 1)
		} else {
			fmt.Fprintf(b, " %d %v", info.Size(), info.ModTime())
		}
		fmt.Fprintf(b, " %s\n", content)
	}
}

// contentOf returns the content of a file, or a digest of its beginning and end.
func contentOf(name string) string {
	const most = 1 << 20 // holes of sparse members may be of exabytes
	f, err := os.Open(name)
	if err != nil {
		return errors.Unwrap(err).Error()
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most))
	if size, _ := f.Seek(0, io.SeekEnd); err == nil && size > most {
		end := make([]byte, most/16)
		_, err = f.ReadAt(end, size-int64(len(end)))
		b = append(b, end...)
	}
	if err != nil {
		return errors.Unwrap(err).Error()
	}
	if len(b) < 100 {
		return string(b)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))
}
