package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// Mistakes with k8s: what the API server would refuse, and what it would take and not do as meant.
func TestMistakesWithK8s(t *testing.T) {
	dir := t.TempDir()
	const shards = "-I me/tools:1 s3://b/{0..9}.tar -o s3://b/o/{name}.tar -c true "
	for _, m := range []mistake{
		{"k8s s3://b/{0..9}.tar -o s3://b/o/{name}.tar -c true", exitUsage,
			"--image is missing: in which are the command and shardfs?", ""},
		{"k8s -I Tools s3://b/1.tar -o s3://b/o/{name}.tar -c true", exitUsage,
			"--image Tools: not the name of an image, such as ghcr.io/me/tools:1.0", ""},
		{"k8s -I me/tools:1 s3://b/1.tar -o s3://b/o/{name}.tar", exitUsage,
			"-c COMMAND or -- ARGV is missing: which command should be run?", ""},
		{"k8s -I me/tools:1 s3://b/1.tar -c true", exitUsage, "-o is missing: where should the outputs go?", ""},
		{"k8s -I me/tools:1 -o s3://b/o/{name}.tar -c true", exitUsage, "no shard: name one, or many",
			"usage: shardfs k8s [flags] SHARD... -o OUT (-c COMMAND | -- ARGV...)"},
		{"k8s -I me/tools:1 d/{0..9}.tar -o s3://b/o/{name}.tar -c true", exitUsage,
			"d/{0..9}.tar: a relative path, and pods have another working directory",
			"--pvc NAME:/data mounts a volume, in which it could be /data/{0..9}.tar"},
		{"k8s -I me/tools:1 s3://b/{0..9}.tar -o o/{name}.tar -c true", exitUsage,
			"-o o/{name}.tar: a relative path, and pods have another working directory",
			"--pvc NAME:/data mounts a volume, in which it could be /data/{name}.tar"},
		{"k8s " + shards + "-e JOB_COMPLETION_INDEX=0", exitUsage,
			"--env JOB_COMPLETION_INDEX=0: set by Kubernetes: " +
				"with a value of your own, all pods would do the same task", ""},
		{"k8s " + shards + "-e A", exitUsage, "--env A: not NAME=VALUE", ""},
		{"k8s " + shards + "-e A=1 -e A=2", exitUsage, "--env A: given twice", ""},
		{"k8s " + shards + "-M 2", exitUsage, "--memory 2: 2 bytes: at least 16Mi", ""},
		{"k8s " + shards + "-M 2GB", exitUsage, "--memory 2GB: GB is no suffix of amounts, such as 500Mi or 2Gi", ""},
		{"k8s " + shards + "-C 0", exitUsage, "--cpu 0: less than a thousandth of a CPU", ""},
		{"k8s " + shards + "-M 1Gi --scratch-size 2Gi:memory", exitUsage,
			"--scratch-size 2Gi:memory: more than --memory 1Gi, of which it is a part", ""},
		{"k8s " + shards + "--name Big", exitUsage, "--name Big: a name has at most 63 of a-z, 0-9 and -, " +
			"and begins and ends with a letter or digit", ""},
		{"k8s " + shards + "--name " + strings.Repeat("n", 62), exitUsage, "--name " + strings.Repeat("n", 62) +
			": 62 characters, at most 61: pods are named NAME-9", ""},
		{"k8s " + shards + "--retries -1", exitUsage, "--retries -1: from 0 to 2147483647", ""},
		{"k8s " + shards + "--retries x", exitUsage, "--retries x: not a number",
			"--retries N: start a failed task up to N times more"},
		{"k8s " + shards + "--max-failed-indexes 11", exitUsage, "--max-failed-indexes 11: there are 10 tasks", ""},
		{"k8s " + shards + "--max-failed-indexes -1", exitUsage, "--max-failed-indexes: at least 0", ""},
		{"k8s " + shards + "--parallelism 0", exitUsage, "--parallelism 0: at least 1", ""},
		{"k8s " + shards + "--format xml", exitUsage, "--format xml: yaml or json", ""},
		{"k8s " + shards + "--fuse yes", exitUsage, "--fuse yes: device:RESOURCE or privileged", ""},
		{"k8s " + shards + "--fuse privileged --user 5", exitUsage,
			"--fuse: only root can mount, which is --user 0", ""},
		{"k8s " + shards + "--secret a:b", exitUsage, `--secret a:b: "b": the path of a mount begins with a slash`, ""},
		{"k8s " + shards + "--pvc a:/d --secret b:/d", exitUsage, "/d: another volume is mounted at /d", ""},
		{"k8s " + shards + "--toleration a:Never", exitUsage, "--toleration a:Never: " +
			`"Never" is no effect of a taint: NoSchedule, PreferNoSchedule, NoExecute`, ""},
		{"k8s " + shards + "--on-error never", exitUsage, "--on-error never: stop, skip or keep", ""},
		{"k8s " + shards + "--resume", exitUsage, "unknown flag: --resume",
			"shardfs help k8s lists the flags; a command's own come after --"},
		{"k8s " + shards + "--secrets a", exitUsage, "unknown flag: --secrets", "did you mean --secret?"},
	} {
		m.try(t, dir, strings.NewReplacer())
	}
}

// A list of exactly the size of a ConfigMap passes, and not one of a byte more.
func TestLongestList(t *testing.T) {
	dir := t.TempDir()
	list := func(last string) {
		var b strings.Builder
		for i := range 1<<15 - 1 {
			fmt.Fprintf(&b, "/shards/of-a-long-name-%08d\n", i)
		}
		fmt.Fprintf(&b, "%s\n", last)
		shardtest.Check(t, os.WriteFile(filepath.Join(dir, "list"), []byte(b.String()), 0o600))
	}
	args := []string{"k8s", "-I", "me/tools:1", "@list", "-o", "s3://b/{name}.tar", "-c", "true"}
	list("/shards/of-a-long-name-is-last-")
	text, said := k8sIn(t, dir, args...)
	data := at[string](t, documents(t, text)[0], "data", "shards")
	if len(data) != 1<<20 || !strings.HasSuffix(data, "/shards/of-a-long-name-is-last-\n") {
		t.Errorf("the list has %d bytes", len(data))
	}
	if !strings.Contains(said, "too large for kubectl apply, unless it is kubectl apply --server-side") {
		t.Errorf("it says %s", said)
	}
	list("/shards/of-a-long-name-is-last--")
	m := mistake{"k8s -I me/tools:1 @list -o s3://b/{name}.tar -c true", exitUsage,
		"32768 shards: their names take 1048577 bytes, at most 1048576 are possible",
		"name them by braces, or put the list where tasks can read it: @URL"}
	m.try(t, dir, strings.NewReplacer())
}

// The manifest of 100 000 shards takes at most a second of a CPU and 64 MiB of memory.
func TestManifestOfMany(t *testing.T) {
	dir := t.TempDir()
	var list strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&list, "/d/%06d\n", i)
	}
	shardtest.Check(t, os.WriteFile(filepath.Join(dir, "list"), []byte(list.String()), 0o600))
	for _, shards := range []string{"s3://bucket/train-{00000..99999}.tar", "@list"} {
		cmd := shardfsIn(dir, "k8s", "-q", "-I", "me/tools:1", shards, "-o", "s3://b/{name}.tar", "-c", "true")
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s", err, &said)
		}
		used := cmd.ProcessState
		cpu, peak := used.UserTime()+used.SystemTime(), used.SysUsage().(*syscall.Rusage).Maxrss>>10
		t.Logf("%s: %v, %d MiB, a manifest of %d bytes", shards, cpu, peak, out.Len())
		if !bytes.Contains(out.Bytes(), []byte("completions: 100000\n")) {
			t.Errorf("%s: not so many tasks", shards)
		}
		// A process is told to have had, at least, the memory of the one that has started it, of which it was a copy.
		var self unix.Rusage
		shardtest.Check(t, unix.Getrusage(unix.RUSAGE_SELF, &self))
		if (cpu > time.Second || peak > max(64, self.Maxrss>>10)) && !raced() {
			t.Errorf("%s: %v of a CPU and %d MiB, at most 1 s and 64 MiB are expected", shards, cpu, peak)
		}
	}
}
