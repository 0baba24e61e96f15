package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// largeShard writes a shard with samples of 1 MB, and returns its content.
func largeShard(t *testing.T, path, key string, samples int) []byte {
	t.Helper()
	r := rand.NewChaCha8([32]byte{byte(len(key))})
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range samples {
		for ext, size := range map[string]int{"jpg": 1_000_000, "cls": 3} {
			content := make([]byte, size)
			r.Read(content)
			h := &tar.Header{Name: fmt.Sprintf("%s%d.%s", key, i, ext), Size: int64(size), Mode: 0o644}
			shardtest.Check(t, w.WriteHeader(h))
			_, err := w.Write(content)
			shardtest.Check(t, err)
		}
	}
	shardtest.Check(t, w.Close())
	shardtest.Check(t, os.WriteFile(path, b.Bytes(), 0o600))
	return b.Bytes()
}

// shell returns what runs shardfs with a line of arguments and an environment, in a directory.
func shell(dir string, env []string) func(line string) *exec.Cmd {
	return func(line string) *exec.Cmd {
		cmd := exec.Command("shardfs", strings.Fields(line)...)
		cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "XDG_CACHE_HOME="+dir), env...)
		return cmd
	}
}

// Joining plain shards in one bucket moves little of them through this machine, and makes the bytes that joining files
// makes; so does leaving samples out.
func TestCopiedInStore(t *testing.T) {
	s := servers.Versitygw(t)
	s.Bucket(t, "bucket")
	dir := t.TempDir()
	run := shell(dir, s.Env())
	output := func(line string) string {
		t.Helper()
		said, err := run(line).CombinedOutput()
		if err != nil {
			t.Fatalf("shardfs %s: %v: %s", line, err, said)
		}
		return string(said)
	}
	for i := range 3 {
		largeShard(t, filepath.Join(dir, fmt.Sprintf("%d.tar", i)), strings.Repeat("k", i+1), 40)
		output(fmt.Sprintf("pack %d.tar --write-index -o s3://bucket/%d.tar", i, i))
	}
	for _, choice := range []string{"", " --skip 7 --count 100"} {
		output("pack {0..2}.tar -o all.tar" + choice)
		said := output("pack -v s3://bucket/{0..2}.tar -o s3://bucket/all.tar" + choice)
		whole, err := os.ReadFile(filepath.Join(dir, "all.tar"))
		shardtest.Check(t, err)
		if got := s.Get(t, "bucket", "all.tar"); !bytes.Equal(got, whole) {
			t.Errorf("%q: %d bytes, other than the %d of files", choice, len(got), len(whole))
		}
		// 1 MiB of each shard, twice, tells its version; there is less between the shards than a store copies.
		want := `remote: requests [0-9]+, [0-9]\.[0-9] MB, sent [0-9.]+ kB, 1[0-9]+\.[0-9] MB copied in the store`
		if !regexp.MustCompile(want).MatchString(said) {
			t.Errorf("%q: %s", choice, said)
		}
	}
	said := output("pack --json s3://bucket/{0..2}.tar -o s3://bucket/all.tar")
	if !strings.Contains(said, `"copied_in_store":1`) {
		t.Errorf("as JSON: %s", said)
	}
	if said := output("pack -v s3://bucket/{0..2}.tar -o s3://bucket/all.tar.gz"); strings.Contains(said, "copied") {
		t.Errorf("a compressed output is copied: %s", said)
	}
}

// A writer that is killed at any of its requests (without -long at every fourth), whether the server gets that or not, leaves
// nothing under the name or the whole object, and the next one no unfinished upload.
func TestKilledWriters(t *testing.T) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) { killWriters(t, newBucket(t, scheme)) })
	}
}

// killWriters kills writers of objects in a bucket.
func killWriters(t *testing.T, b *bucket) {
	proxy := faultproxy.New(t, b.url)
	dir := t.TempDir()
	want := largeShard(t, filepath.Join(dir, "in.tar"), "k", 18)
	run := shell(dir, b.behind(proxy.URL).env)
	root := b.scheme + "://bucket/"
	for i, fault := range []faultproxy.Fault{faultproxy.None, faultproxy.Reset} {
		for n, killed := i, true; killed; n += manyOrFew(1, 4) {
			name := fmt.Sprintf("%d%s.tar", n, fault)
			first := run("pack in.tar -o " + root + name)
			var said bytes.Buffer
			first.Stdout, first.Stderr = &said, &said
			started := make(chan struct{})
			killed = false
			proxy.Break(func(number int, _ *http.Request) faultproxy.Fault {
				if number != n {
					return faultproxy.None
				}
				<-started
				killed = true
				first.Process.Kill()
				return fault
			})
			shardtest.Check(t, first.Start())
			close(started)
			err := first.Wait()
			proxy.Break(nil)
			if killed == (err == nil) {
				t.Fatalf("killed at request %d: %v, %v: %s", n, killed, err, &said)
			}
			for _, one := range b.List(t, "bucket") {
				if one == name && !bytes.Equal(b.Get(t, "bucket", name), want) {
					t.Errorf("killed at request %d: a part of the object is there", n)
				}
			}
			again := run("pack in.tar -o " + root + name)
			text, err := again.CombinedOutput()
			if again.ProcessState.ExitCode() == exitTemporary {
				// Only then has the server done what the killed writer had asked for last.
				text, err = run("pack in.tar -o " + root + name).CombinedOutput()
			}
			if err != nil {
				t.Errorf("after a kill at request %d: %v: %s", n, err, text)
			}
			if !bytes.Equal(b.Get(t, "bucket", name), want) {
				t.Errorf("after a kill at request %d the object is not whole", n)
			}
			for _, one := range b.List(t, "bucket") {
				if strings.HasPrefix(one, name+"#") {
					t.Errorf("after a kill at request %d, and another writer, there is %s", n, one)
				}
			}
		}
	}
}

// A run to a store that is killed and resumed makes the object of one that was not.
func TestResumedToStore(t *testing.T) {
	s := servers.Versitygw(t)
	s.Bucket(t, "bucket")
	dir := t.TempDir()
	largeShard(t, filepath.Join(dir, "in.tar"), "k", 60)
	run := shell(dir, s.Env())
	const command = `tr a-z b-za <sample.cls >sample.new; ` +
		`if [ $SAMPLE_INDEX = 45 ] && mkdir $BASE/$KILLED 2>/dev/null; then kill -9 $PPID; fi`
	for _, suffix := range []string{".tar", ".tar.gz"} {
		args := func(out string, more ...string) *exec.Cmd {
			cmd := run("run --workspace dir -j 1 in.tar -o " + out)
			cmd.Env = append(cmd.Env, "KILLED=killed"+suffix, "BASE="+dir)
			cmd.Args = append(cmd.Args, append(more, "-c", command)...)
			return cmd
		}
		out := "s3://bucket/out" + suffix
		if said, err := args(out, "--scratch", "work"+suffix).CombinedOutput(); err == nil {
			t.Fatalf("the run was not killed: %s", said)
		}
		if names := s.List(t, "bucket"); suffix == ".tar" && (len(names) != 1 || !strings.Contains(names[0], "#")) {
			t.Errorf("after the kill there is %q", names)
		}
		said, err := args(out, "--scratch", "work"+suffix, "--resume").CombinedOutput()
		if err != nil || !strings.Contains(string(said), "continuing after") {
			t.Fatalf("resumed: %v: %s", err, said)
		}
		if said, err := args("whole" + suffix).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		want, err := os.ReadFile(filepath.Join(dir, "whole"+suffix))
		shardtest.Check(t, err)
		if !bytes.Equal(s.Get(t, "bucket", "out"+suffix), want) {
			t.Errorf("%s: the resumed object is another", suffix)
		}
		left, err := os.ReadDir(filepath.Join(dir, "work"+suffix))
		isPart := func(e os.DirEntry) bool { return strings.Contains(e.Name(), "output-") }
		if err != nil || slices.ContainsFunc(left, isPart) {
			t.Errorf("left in the scratch directory are %v, %v", left, err)
		}
	}
	for _, name := range s.List(t, "bucket") {
		if strings.Contains(name, "#") {
			t.Errorf("left is %s", name)
		}
	}
}
