package workspace

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/pack"
)

func baseOf(t *testing.T, sh *shard.Shard) pack.Base {
	return pack.Base{Index: sh.Index, Plain: sh.Reader(t.Context())}
}

// The state of a sampleDir shows what a command has changed.
func TestExtract(t *testing.T) {
	in := func(d *sampleDir, name string) string { return filepath.Join(d.dir, name) }
	rewrite := func(t *testing.T, d *sampleDir) { // in place, with as many bytes
		f, err := os.OpenFile(in(d, "sample.x"), os.O_WRONLY, 0)
		shardtest.Check(t, err)
		_, err = f.WriteAt([]byte("K/K"), 0)
		shardtest.Check(t, err)
		shardtest.Check(t, f.Close())
	}
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, d *sampleDir)
		want string // files and their rows; "" for a directory that is gone
	}{
		{"untouched", func(t *testing.T, d *sampleDir) {}, "k/k/sample.x:0 k/k/sample.y:1"},
		{"read", func(t *testing.T, d *sampleDir) {
			b, err := os.ReadFile(in(d, "sample.x"))
			if err != nil || string(b) != "k/k.x" {
				t.Errorf("sample.x holds %q, %v", b, err)
			}
		}, "k/k/sample.x:0 k/k/sample.y:1"},
		{"rewritten within a tick", rewrite, "k/k/sample.x:-1 k/k/sample.y:1"},
		{"rewritten, and the time set back", func(t *testing.T, d *sampleDir) {
			st, err := os.Stat(in(d, "sample.x"))
			shardtest.Check(t, err)
			rewrite(t, d)
			shardtest.Check(t, os.Chtimes(in(d, "sample.x"), st.ModTime(), st.ModTime()))
		}, "k/k/sample.x:-1 k/k/sample.y:1"},
		{"replaced by a copy", func(t *testing.T, d *sampleDir) {
			st, err := os.Stat(in(d, "sample.x"))
			shardtest.Check(t, err)
			shardtest.Check(t, os.WriteFile(in(d, "t"), []byte("k/k.x"), 0o644))
			shardtest.Check(t, os.Chtimes(in(d, "t"), st.ModTime(), st.ModTime()))
			shardtest.Check(t, os.Rename(in(d, "t"), in(d, "sample.x")))
		}, "k/k/sample.x:0 k/k/sample.y:1"},
		{"opened for writing", func(t *testing.T, d *sampleDir) {
			f, err := os.OpenFile(in(d, "sample.x"), os.O_RDWR|os.O_APPEND, 0)
			shardtest.Check(t, err)
			shardtest.Check(t, f.Close())
		}, "k/k/sample.x:0 k/k/sample.y:1"},
		{"changed places", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.Rename(in(d, "sample.x"), in(d, "t")))
			shardtest.Check(t, os.Rename(in(d, "sample.y"), in(d, "sample.x")))
			shardtest.Check(t, os.Rename(in(d, "t"), in(d, "sample.y")))
		}, "k/k/sample.x:-1 k/k/sample.y:-1"},
		{"touched", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.Chtimes(in(d, "sample.y"), time.Now(), time.Now()))
		}, "k/k/sample.x:0 k/k/sample.y:-1"},
		{"deleted", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.Remove(in(d, "sample.x")))
		}, "k/k/sample.y:1"},
		{"added", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.WriteFile(in(d, "sample.z"), nil, 0o644))
		}, "k/k/sample.x:0 k/k/sample.y:1 k/k/sample.z:-1"},
		{"new key", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.WriteFile(in(d, "__key__"), []byte("new"), 0o644))
		}, "k/k/__key__:-1 k/k/sample.x:0 k/k/sample.y:1"},
		{"split", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.MkdirAll(in(d, "1/2"), 0o755))
			shardtest.Check(t, os.Rename(in(d, "sample.x"), in(d, "1/2/sample.x")))
		}, "k/k/1/2/sample.x:-1 k/k/sample.y:1"},
		{"no rights", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.MkdirAll(in(d, "1/2"), 0o755))
			shardtest.Check(t, os.WriteFile(in(d, "1/2/sample.x"), nil, 0o000))
			shardtest.Check(t, os.Chmod(in(d, "sample.x"), 0o000))
			shardtest.Check(t, os.Chmod(in(d, "1"), 0o000))
			if os.Geteuid() != 0 {
				shardtest.Check(t, os.Chmod(in(d, "1"), 0o500)) // else it could not be read
			}
		}, "k/k/1/2/sample.x:-1 k/k/sample.x:0 k/k/sample.y:1"},
		{"links", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.Symlink("/", in(d, "root")))
			shardtest.Check(t, os.Remove(in(d, "sample.x")))
			shardtest.Check(t, os.Symlink("/etc/passwd", in(d, "sample.x")))
		}, "k/k/root:-1 k/k/sample.x:-1 k/k/sample.y:1"},
		{"directory removed", func(t *testing.T, d *sampleDir) { shardtest.Check(t, os.RemoveAll(d.dir)) }, ""},
		{"all removed", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.RemoveAll(filepath.Join(d.dir, "../..")))
		}, ""},
		{"directory made again", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.RemoveAll(d.dir))
			shardtest.Check(t, os.Mkdir(d.dir, 0o755))
			shardtest.Check(t, os.WriteFile(in(d, "sample.z"), nil, 0o644))
		}, "k/k/sample.z:-1"},
		{"directory moved away", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.Rename(d.dir, d.dir+"2"))
		}, ""},
		{"a link in its place", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.Rename(d.dir, d.dir+"2"))
			shardtest.Check(t, os.Symlink("k2", d.dir))
		}, ""},
		{"a link above", func(t *testing.T, d *sampleDir) {
			above := filepath.Dir(d.dir)
			shardtest.Check(t, os.Rename(above, above+"2"))
			shardtest.Check(t, os.Symlink("k2", above))
		}, ""},
		{"a file in its place", func(t *testing.T, d *sampleDir) {
			shardtest.Check(t, os.RemoveAll(d.dir))
			shardtest.Check(t, os.WriteFile(d.dir, nil, 0o644))
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sh := shardtest.Open(t, "k/k.x", "k/k.y", "other.x")
			temp := t.TempDir()
			e, err := newExtractor(temp)
			shardtest.Check(t, err)
			defer e.Close()
			d, err := e.extract(baseOf(t, sh), "the source", sh.Index.Sample(0))
			shardtest.Check(t, err)
			if b, err := os.ReadFile(in(d, "__source__")); err != nil || string(b) != "the source" {
				t.Errorf("__source__ holds %q, %v", b, err)
			}
			tt.do(t, d)
			for range 2 {
				f, there, err := d.state()
				if f.Untouched {
					f.Files = pack.MemberFiles(d.base.Index, d.sample, func(string) bool { return true })
				}
				if err != nil || there != (tt.want != "") || there && shardtest.DirText(f) != tt.want {
					t.Errorf("Read = %q, %v, %v, want %q", shardtest.DirText(f), there, err, tt.want)
				}
				for _, file := range f.Files {
					if file.Row != pack.Changed && file.Open != nil || file.Row == pack.Changed && file.Open == nil {
						t.Errorf("%s is row %d and can be opened: %v", file.Name, file.Row, file.Open != nil)
					}
					if file.Name == "sample.x" && file.Open != nil && file.Mode.Type() != 0 {
						if opened, err := file.Open(); err == nil {
							b, _ := io.ReadAll(opened)
							t.Errorf("a link out of the directory was followed, to %.20q", b)
						}
					}
				}
			}
			shardtest.Check(t, d.remove())
			if left, err := os.ReadDir(filepath.Join(temp, "samples")); err != nil || len(left) > 0 {
				t.Errorf("left after Remove: %v, %v", left, err)
			}
		})
	}
}

// A sample that cannot be extracted leaves nothing.
func TestExtractFails(t *testing.T) {
	sh := shardtest.Open(t, "a.x", "a.y")
	temp := t.TempDir()
	e, err := newExtractor(temp)
	shardtest.Check(t, err)
	defer e.Close()
	short := pack.Base{Index: sh.Index, Plain: strings.NewReader(strings.Repeat("x", 600))}
	if _, err := e.extract(short, "", sh.Index.Sample(0)); err == nil {
		t.Error("a sample was extracted from a shard that is too short")
	}
	if left, err := os.ReadDir(filepath.Join(temp, "samples")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	shardtest.NeedRoot(t)
	full := t.TempDir()
	if err := unix.Mount("none", full, "tmpfs", 0, "nr_inodes=6"); err != nil {
		skip.Without(t, "to mount a tmpfs: %v", err)
	}
	defer unix.Unmount(full, 0)
	e, err = newExtractor(full)
	shardtest.Check(t, err)
	defer e.Close()
	_, err = e.extract(baseOf(t, sh), "", sh.Index.Sample(0))
	if err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("Extract on a full disk: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(full, "samples")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
