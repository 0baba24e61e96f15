package kubernetes

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// The buckets of the test.
const (
	inputs = "shards" // what the job reads
	alone  = "alone"  // what one machine writes
	out    = "out"    // what the job writes
)

// namespace is where the job runs.
const namespace = "job"

// command is what is done with each sample: something that takes a while in pods, and fails in some.
const command = `sleep ${SLOW:-0}; if rm "/faults/fail/$JOB_COMPLETION_INDEX" 2>/dev/null; then exit 1; fi; ` +
	`tr a-z A-Z <sample.txt >sample.up`

// program is shardfs in the image, which fails once in some indexes, as it does where a store is busy.
const program = `#!/bin/sh
rm "/faults/temporary/$JOB_COMPLETION_INDEX" 2>/dev/null && exit 75
exec /opt/real/shardfs "$@"
`

// A job of 148 shards loses nothing in 24 faults: those that injector has, and those of armed indexes. Its outputs are those
// of one machine, and nobody ever sees a part of one.
func TestFaults(t *testing.T) {
	s3 := servers.Versitygw(t)
	c := newCluster(t, program, 4, 8)
	r := &run{cluster: c, s3: s3, shards: fmt.Sprintf("s3://%s/train-{0000..%04d}.tar", inputs, shards-1)}
	want := r.prepare(t)
	w := watch(t, s3, out, want)

	manifest := r.manifest(t, "first")
	begin := time.Now()
	c.apply(t, namespace, manifest)
	in := &injector{cluster: c, namespace: namespace, job: "first", used: map[int]bool{}}
	for _, i := range slices.Concat(damaged, failing, temporary) {
		in.used[i] = true
	}
	for i, fault := range faults {
		r.published(t, 6*(i+1))
		fault.do(in, t)
		t.Logf("%5.1f s, %d outputs: %s", time.Since(begin).Seconds(), len(objects(s3, out)), fault.name)
	}
	first := c.wait(t, namespace, "first")
	t.Logf("%.1f s: %s, %d pods failed", time.Since(begin).Seconds(), outcome(first), first.Status.Failed)
	if failed := first.Status.FailedIndexes; outcome(first) != batchv1.JobReasonFailedIndexes || failed == nil ||
		*failed != "11,97" {
		t.Errorf("%s: failed indexes %v, want those with damaged shards", outcome(first), failed)
	}
	r.attempts(t)
	r.again(t)
	w.stop()
	t.Logf("%d looks, %.1f a second, %d objects read", w.looks, float64(w.looks)/time.Since(begin).Seconds(), w.reads)
	if len(w.bad) > 0 {
		t.Errorf("objects that were not whole: %q", w.bad)
	}
	if got := r.outputs(t); !maps.Equal(got, want) {
		t.Errorf("%d outputs, want %d; they differ", len(got), len(want))
	}
	for _, name := range s3.List(t, out) {
		if strings.Contains(name, "#") {
			t.Errorf("an upload is left: %s", name)
		}
	}
	r.nothing(t, manifest)
}

// run is the job of the test.
type run struct {
	*cluster
	s3     *servers.S3
	shards string
}

// prepare uploads the shards, two of them cut off, has one machine do the work, and returns the digests of what it
// publishes. Then nothing is missing but the job.
func (r *run) prepare(t *testing.T) map[string][32]byte {
	t.Helper()
	for _, bucket := range []string{inputs, alone, out} {
		r.s3.Bucket(t, bucket)
	}
	for i := range shards {
		r.s3.Put(t, inputs, shardName(i)+".tar", shard(t, i))
	}
	r.shardfs(t, 0, "run", "-q", "-j", "8", "-c", command, "-o", "s3://"+alone+"/{name}.tar", r.shards)
	want := map[string][32]byte{}
	for i := range shards {
		want[shardName(i)+".tar"] = sha256.Sum256(r.s3.Get(t, alone, shardName(i)+".tar"))
	}
	for _, i := range damaged {
		whole := shard(t, i)
		r.s3.Put(t, inputs, shardName(i)+".tar", whole[:len(whole)-3000])
	}
	arm(t, r.cluster, "fail", failing)
	arm(t, r.cluster, "temporary", temporary)
	r.namespace(t, namespace)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s3"}, StringData: map[string]string{}}
	for _, e := range r.s3.Env() {
		name, value, _ := strings.Cut(e, "=")
		secret.StringData[name] = value
	}
	if _, err := r.Client.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return want
}

// shardfs runs shardfs on the machine of the test, and wants an exit status. It returns what is printed.
func (r *run) shardfs(t *testing.T, status int, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), r.program, args...)
	cmd.Env = append(cmd.Environ(), r.s3.Env()...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != status {
		t.Fatalf("shardfs %q: %v, want status %d: %s", args, err, status, stderr.String())
	}
	return stdout.String()
}

// manifest returns what shardfs k8s prints for the job of a name.
func (r *run) manifest(t *testing.T, name string, flags ...string) []byte {
	t.Helper()
	return []byte(r.shardfs(t, 0, slices.Concat([]string{"k8s", "--name", name, "-I", "image", "--secret", "s3",
		"-C", "100m", "-M", "256Mi", "-e", "SLOW=0.3"}, flags,
		[]string{"-c", command, "-o", "s3://" + out + "/{name}.tar", r.shards})...))
}

// published waits until so many outputs are there.
func (r *run) published(t *testing.T, n int) {
	t.Helper()
	testtime.Eventually(t, fmt.Sprintf("%d outputs", n), func() bool {
		r.Alive(t)
		return len(objects(r.s3, out)) >= n
	})
}

// outputs returns the digests of what is published.
func (r *run) outputs(t *testing.T) map[string][32]byte {
	t.Helper()
	got := map[string][32]byte{}
	for _, name := range objects(r.s3, out) {
		got[name] = sha256.Sum256(r.s3.Get(t, out, name))
	}
	return got
}

// attempts logs how often a task was started and how it ended, and wants each exit status that the faults cause.
func (r *run) attempts(t *testing.T) {
	t.Helper()
	exits := map[int]int{}
	for _, n := range r.all {
		for _, a := range n.Attempts() {
			exits[a.Exit]++
		}
	}
	t.Logf("exit statuses of tasks: %v", exits)
	for _, want := range []struct{ exit, least int }{{0, shards - 2}, {1, 2}, {65, 2}, {75, 2}, {137, 7}, {143, 5}} {
		if exits[want.exit] < want.least {
			t.Errorf("%d tasks with exit status %d, want %d", exits[want.exit], want.exit, want.least)
		}
	}
}

// again mends the damaged shards and has a second job do exactly what is missing.
func (r *run) again(t *testing.T) {
	t.Helper()
	if got := r.shardfs(t, 0, "status", "--missing", "-o", "s3://"+out+"/{name}.tar", r.shards); got != "11,97\n" {
		t.Errorf("status --missing: %q", got)
	}
	for _, i := range damaged {
		r.s3.Put(t, inputs, shardName(i)+".tar", shard(t, i))
	}
	r.apply(t, namespace, r.manifest(t, "second", "--only-missing"))
	second := r.wait(t, namespace, "second")
	if outcome(second) != "Complete" || *second.Spec.Completions != 2 || second.Status.CompletedIndexes != "0,1" {
		t.Errorf("%s, %d indexes, completed: %s", outcome(second), *second.Spec.Completions,
			second.Status.CompletedIndexes)
	}
	if pods := r.pods(t, namespace, "second"); len(pods) != 2 {
		t.Errorf("%d pods for 2 missing outputs", len(pods))
	}
}

// nothing applies the manifest again, and has another job do all again: neither changes an output.
func (r *run) nothing(t *testing.T, manifest []byte) {
	t.Helper()
	before := r.times(t)
	pods := len(r.pods(t, namespace, "first"))
	if said := r.apply(t, namespace, manifest); !strings.HasSuffix(said, " unchanged\n") {
		t.Errorf("the second apply: %s", said)
	}
	r.apply(t, namespace, r.manifest(t, "third", "--shards-per-task", "37"))
	if third := r.wait(t, namespace, "third"); outcome(third) != "Complete" || *third.Spec.Completions != 4 {
		t.Errorf("the third job: %s, %d indexes", outcome(third), *third.Spec.Completions)
	}
	if after := r.times(t); !maps.Equal(after, before) {
		t.Error("outputs have changed")
	}
	if n := len(r.pods(t, namespace, "first")); n != pods {
		t.Errorf("the Job that was applied twice had %d pods, and has %d", pods, n)
	}
	if text := r.shardfs(t, 0, "k8s", "--only-missing", "--name", "fourth", "-I", "image", "-c", command,
		"-o", "s3://"+out+"/{name}.tar", r.shards); text != "" {
		t.Errorf("a job for nothing: %s", text)
	}
}

// times returns the times of change of the outputs' files.
func (r *run) times(t *testing.T) map[string]time.Time {
	t.Helper()
	times := map[string]time.Time{}
	for _, name := range objects(r.s3, out) {
		info, err := os.Stat(filepath.Join(r.s3.Dir, out, name))
		if err != nil {
			t.Fatal(err)
		}
		times[name] = info.ModTime()
	}
	return times
}
