package erofs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/view"
)

// served mounts an image that is served while it is read, until the test ends; device "" means Bytes, served as well.
func served(t testing.TB, in string, m *Image, device string) string {
	t.Helper()
	plain, mnt := filepath.Join(in, "plain"), filepath.Join(in, "mnt")
	check(t, errors.Join(os.Mkdir(plain, 0o700), os.Mkdir(mnt, 0o700)))
	names := m.Names()
	files := []fusefs.NamedFile{{Name: "names", File: names}, {Name: "bytes", File: m.Bytes()}}
	s, err := fusefs.MountFiles(files, plain, fusefs.Options{})
	if err != nil {
		skip.Without(t, "FUSE: %v", err)
	}
	if device == "" {
		device = filepath.Join(plain, "bytes")
	}
	err = Mount(mnt, MountOptions{Names: filepath.Join(plain, "names"), Devices: []string{device}})
	check(t, errors.Join(unix.Unmount(plain, unix.MNT_DETACH), err)) // EROFS holds the files
	t.Cleanup(func() {
		check(t, unix.Unmount(mnt, unix.MNT_DETACH))
		s.Wait()
		names.Close()
	})
	return mnt
}

// TestServed compares mounts of images that are computed while they are read.
func TestServed(t *testing.T) {
	needErofs(t)
	var photos []member
	for i := range 3000 {
		key := fmt.Sprintf("%06d", i)
		photos = append(photos, some(key+".cls", key+".json")...)
		photos = append(photos, member{key + ".jpg", strings.Repeat("x", 9000), shardTime()})
	}
	for name, members := range map[string][]member{"photos": photos, "nested": nested(), "empty": nil} {
		for _, inShard := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/%v", name, inShard), func(t *testing.T) {
				v, device := viewOf(t, members), ""
				if inShard {
					device = v.Shard.Path()
				}
				m := imageOf(t, v, Options{Verify: inShard})
				if fd, ok := v.Shard.Descriptor(); ok && inShard { // and is not in memory
					m.ReadByKernel(fd)
					check(t, errors.Join(unix.Fsync(fd), unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED)))
				}
				dir := served(t, t.TempDir(), m, device)
				compare(t, dir, v, Options{})
			})
		}
	}
}

// A shard that was written to since it was opened is not read by its names if members are verified, nor by Bytes.
func TestServedChanged(t *testing.T) {
	needErofs(t)
	for _, verify := range []bool{true, false} {
		t.Run(fmt.Sprintf("verify %v", verify), func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "shard.tar")
			write(t, name, some("a.txt", "b.txt"))
			sh, err := shard.Open(t.Context(), name, shard.Options{})
			check(t, err)
			check(t, errors.Join(sh.Save(t.Context(), name+shard.SidecarSuffix), sh.Close()))
			v := open(t, name) // by the index file
			dir := served(t, t.TempDir(), imageOf(t, v, Options{Verify: verify}), "")
			other := some("c.txt", "d.txt")
			write(t, name, other)
			got, err := os.ReadFile(filepath.Join(dir, "a/sample.txt"))
			if err == nil || len(got) > 0 {
				t.Errorf("it reads %q, %v", got, err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "a")); (err == nil) == verify {
				t.Errorf("lstat: %v", err)
			}
		})
	}
}

// BenchmarkServed measures first passes over mounts of 20 000 samples of three small files.
func BenchmarkServed(b *testing.B) {
	if os.Geteuid() != 0 {
		skip.Without(b, "root, to mount")
	}
	const samples = 20_000
	name := large(b, samples, func(i int) string { return fmt.Sprintf("%08d", i) })
	for _, device := range []string{name, ""} {
		for _, what := range []string{"find", "read"} {
			b.Run(fmt.Sprintf("%s/in shard %v", what, device != ""), func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					sh, err := shard.Open(b.Context(), name, shard.Options{})
					check(b, err)
					in, err := os.MkdirTemp(b.TempDir(), "")
					check(b, err)
					m := imageOf(b, view.New(sh), Options{})
					dir := served(b, in, m, device)
					b.Cleanup(func() { check(b, sh.Close()) })
					b.StartTimer()
					walk(b, dir, what == "read")
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/samples, "µs/sample")
			})
		}
	}
}

// walk visits all samples in the order of their names, and reads their files or describes them.
func walk(t testing.TB, dir string, read bool) {
	keys, err := os.ReadDir(dir)
	check(t, err)
	for _, key := range keys {
		files, err := os.ReadDir(filepath.Join(dir, key.Name()))
		check(t, err)
		if files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return f.Name()[0] == '_' }); !read {
			continue
		}
		for _, f := range files {
			_, err := os.ReadFile(filepath.Join(dir, key.Name(), f.Name()))
			check(t, err)
		}
	}
}
