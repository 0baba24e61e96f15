package kubernetes

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// simple is a Job by hand: its name, other fields of its spec, the restart policy, the command of sh, other fields of the
// container.
const simple = `
apiVersion: batch/v1
kind: Job
metadata: {name: %s}
spec:
  completionMode: Indexed
  completions: 3
  parallelism: 3
  %s
  template:
    spec:
      restartPolicy: %s
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: main
          image: image
          command: [sh, -c, %q]
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          %s
`

// What Kubernetes does with Jobs that shardfs k8s does not write, and why it does not.
func TestTraps(t *testing.T) {
	c := newCluster(t, "", 2, 16)
	c.namespace(t, "traps")
	t.Run("index of the template", func(t *testing.T) { templateIndex(t, c) })
	t.Run("OnFailure", func(t *testing.T) { onFailure(t, c) })
	t.Run("exit codes", func(t *testing.T) { exitCodes(t, c) })
	t.Run("annotation", func(t *testing.T) { annotation(t, c) })
	t.Run("hint", func(t *testing.T) { hint(t, c) })
	t.Run("eviction", func(t *testing.T) { eviction(t, c) })
	t.Run("dollars", func(t *testing.T) { dollars(t, c) })
	t.Run("lost node", func(t *testing.T) { lostNode(t, c) })
}

// A variable JOB_COMPLETION_INDEX of the template wins: all pods work on one index, and the Job completes.
func templateIndex(t *testing.T, c *cluster) {
	command := "mkdir -p /faults/index && echo $JOB_COMPLETION_INDEX >/faults/index/$(hostname)"
	c.apply(t, "traps", fmt.Appendf(nil, simple, "index", "", "Never", command,
		`env: [{name: JOB_COMPLETION_INDEX, value: "1"}]`))
	if job := c.wait(t, "traps", "index"); outcome(job) != "Complete" || job.Status.CompletedIndexes != "0-2" {
		t.Errorf("%s, indexes %s", outcome(job), job.Status.CompletedIndexes)
	}
	for i := range 3 {
		if got := c.read(t, fmt.Sprintf("index/index-%d", i)); got != "1\n" {
			t.Errorf("the pod of index %d has worked on %q", i, got)
		}
	}
}

// With OnFailure, backoffLimitPerIndex is accepted, and counts no restart.
func onFailure(t *testing.T, c *cluster) {
	const command = "f=/faults/restarts-$JOB_COMPLETION_INDEX; echo x >>$f; [ $(wc -l <$f) -gt 10 ]"
	c.apply(t, "traps", fmt.Appendf(nil, simple, "on-failure", "backoffLimitPerIndex: 0", "OnFailure", command, ""))
	if job := c.wait(t, "traps", "on-failure"); outcome(job) != "Complete" || job.Status.Failed != 0 {
		t.Errorf("%s, %d failed", outcome(job), job.Status.Failed)
	}
	if n := strings.Count(c.read(t, "restarts-0"), "x"); n != 11 {
		t.Errorf("index 0 was started %d times", n)
	}
}

// Exit codes have to be sorted, without repetition; what they are is not looked at.
func exitCodes(t *testing.T, c *cluster) {
	for _, tt := range []struct{ values, want string }{
		{"[64, 77]", ""},
		{"[77, 64]", "must be ordered"},
		{"[64, 64]", "Duplicate value"},
		{"[0]", "must not be 0"},
		{"[-1, 256, 1000]", ""},
	} {
		policy := "podFailurePolicy: {rules: [{action: FailJob, onExitCodes: " +
			"{containerName: main, operator: In, values: " + tt.values + "}}]}"
		manifest := fmt.Appendf(nil, simple, "codes", policy, "Never", "exit 0", "")
		_, err := c.Kubectl(t, manifest, "create", "--dry-run=server", "-n", "traps", "-f", "-")
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.values, err)
		}
	}
}

// kubectl apply keeps an object in an annotation of it, in at most 262 144 bytes. With --server-side it does not.
func annotation(t *testing.T, c *cluster) {
	manifest := func(bytes int) []byte {
		return fmt.Appendf(nil, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\ndata: {list: %q}\n",
			strings.Repeat("x", bytes))
	}
	_, err := c.Kubectl(t, manifest(262_144), "apply", "-n", "traps", "-f", "-")
	const tooLong = "metadata.annotations: Too long: may not be more than 262144 bytes"
	if err == nil || !strings.Contains(err.Error(), tooLong) {
		t.Errorf("262 144 bytes: %v", err)
	}
	for _, tt := range []struct {
		bytes int
		args  []string
	}{{262_144 - 512, []string{"apply"}}, {1 << 20, []string{"apply", "--server-side", "--force-conflicts"}}} {
		args := slices.Concat(tt.args, []string{"-n", "traps", "-f", "-"})
		if _, err := c.Kubectl(t, manifest(tt.bytes), args...); err != nil {
			t.Errorf("%d bytes, %q: %v", tt.bytes, tt.args, err)
		}
	}
	_, err = c.Kubectl(t, manifest(1<<20+1), "apply", "--server-side", "-n", "traps", "-f", "-")
	if err == nil || !strings.Contains(err.Error(), "Too long") {
		t.Errorf("more than 1 MiB: %v", err)
	}
}

// shardfs k8s says when a list is too large for kubectl apply: within 2 KiB of where it is.
func hint(t *testing.T, c *cluster) {
	for i, format := range []string{"s3://b/%08d.tar\n", "s3://b/<&>\"\\é\u2028%08d.tar\n"} {
		const step = 2048
		manifest := func(shards int) (text []byte, large bool) {
			list := filepath.Join(t.TempDir(), "list")
			var b bytes.Buffer
			for i := range shards {
				fmt.Fprintf(&b, format, i)
			}
			if err := os.WriteFile(list, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprintf("large-%d", i)
			cmd := exec.CommandContext(t.Context(), c.program, "k8s", "--name", name, "-I", "image", "--suspend",
				"--shards-per-task", "100", "-c", "true", "-o", "s3://b/out/{index}.tar", "@"+list)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			return stdout.Bytes(), strings.Contains(stderr.String(), "--server-side")
		}
		least, most := 1, 20_000 // shards of which the list is small enough, and too large
		for least+1 < most {
			middle := (least + most) / 2
			if _, large := manifest(middle); large {
				most = middle
			} else {
				least = middle
			}
		}
		small, _ := manifest(least)
		c.apply(t, "traps", small)
		large, _ := manifest(least + step/len(fmt.Sprintf(format, 0)))
		_, err := c.Kubectl(t, large, "apply", "-n", "traps", "-f", "-")
		if err == nil || !strings.Contains(err.Error(), "may not be more than 262144 bytes") {
			t.Errorf("%d names like %q, of which k8s says that they are too large: %v", most, format, err)
		}
	}
}

// disruptions are the fields of a Job that does not count pods that are disrupted.
const disruptions = "backoffLimitPerIndex: 0\n  podReplacementPolicy: Failed\n  podFailurePolicy: {rules: [" +
	"{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: \"True\"}]}]}"

// until is a command that ends when a file of faults is there.
func until(file string) string {
	return "trap 'exit 143' TERM; until [ -e /faults/" + file + " ]; do sleep 0.05; done"
}

// touch makes a file of faults.
func (c *cluster) touch(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.faults, file), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// running waits until so many pods of a Job run, and returns their names in the order of their indexes.
func (c *cluster) running(t *testing.T, job string, n int) (names []string) {
	t.Helper()
	testtime.Eventually(t, "the pods of Job "+job, func() bool {
		names = names[:0]
		for _, n := range c.nodes {
			for _, name := range n.Running() {
				if strings.HasPrefix(name, job+"-") {
					names = append(names, name)
				}
			}
		}
		return len(names) == n
	})
	slices.Sort(names)
	return names
}

// An eviction is no failure of the index, if a rule says so; a pod that is deleted is one.
func eviction(t *testing.T, c *cluster) {
	c.apply(t, "traps", fmt.Appendf(nil, simple, "evict", disruptions, "Never", until("go"), ""))
	running := c.running(t, "evict", 3)
	err := c.Client.PolicyV1().Evictions("traps").Evict(t.Context(),
		&policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: running[0], Namespace: "traps"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Kubectl(t, nil, "delete", "pod", "-n", "traps", running[2]); err != nil {
		t.Fatal(err)
	}
	testtime.Eventually(t, "the pod instead of the evicted one", func() bool {
		for _, pod := range c.pods(t, "traps", "evict") {
			another := strings.HasPrefix(pod.Name, "evict-0-") && pod.Name != running[0]
			if another && pod.Status.Phase == corev1.PodRunning {
				return true
			}
		}
		return false
	})
	c.touch(t, "go")
	job := c.wait(t, "traps", "evict")
	if failed := job.Status.FailedIndexes; failed == nil || *failed != "2" || job.Status.CompletedIndexes != "0,1" {
		t.Errorf("%s: failed %v, completed %s", outcome(job), failed, job.Status.CompletedIndexes)
	}
}

// A container's command has $(NAME) replaced where the name is known, and $$ by $.
func dollars(t *testing.T, c *cluster) {
	command := `printf '%s\n' '$$' '$(KNOWN)' '$(UNKNOWN)' '$$(KNOWN)' >/faults/dollars`
	c.apply(t, "traps", fmt.Appendf(nil, simple, "dollars", "", "Never", command, "env: [{name: KNOWN, value: v}]"))
	c.wait(t, "traps", "dollars")
	if got, want := c.read(t, "dollars"), "$\nv\n$(UNKNOWN)\n$(KNOWN)\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A pod of a node that is lost is deleted, and ends never, because nobody is there to tell. So it is not replaced, which a Job
// with a podFailurePolicy does only when a pod has ended, until the Node is deleted, too.
func lostNode(t *testing.T, c *cluster) {
	c.apply(t, "traps", fmt.Appendf(nil, simple, "lost", disruptions, "Never", until("lost"), ""))
	c.running(t, "lost", 3)
	lost := c.nodes["node-0"]
	gone := int32(0)
	for _, name := range lost.Running() {
		if strings.HasPrefix(name, "lost-") {
			gone++
		}
	}
	if gone == 0 {
		t.Fatal("no pod is on the node that will be lost")
	}
	lost.Cut()
	status := func() batchv1.JobStatus {
		job, err := c.job(t.Context(), "traps", "lost")
		if err != nil {
			t.Fatal(err)
		}
		return job.Status
	}
	testtime.Eventually(t, "the deletion of pods of the lost node", func() bool {
		s := status()
		return s.Terminating != nil && *s.Terminating == gone
	})
	c.touch(t, "lost")
	testtime.Eventually(t, "the end of the other pods", func() bool { return status().Succeeded == 3-gone })
	pods := len(c.pods(t, "traps", "lost"))
	if s := status(); s.Active != 0 || s.Terminating == nil || *s.Terminating != gone || pods != 3 {
		t.Errorf("before the Node is deleted: %d pods, %+v", pods, s)
	}
	if err := c.Client.CoreV1().Nodes().Delete(t.Context(), lost.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if job := c.wait(t, "traps", "lost"); outcome(job) != "Complete" || job.Status.CompletedIndexes != "0-2" {
		t.Errorf("after the Node was deleted: %s, indexes %s", outcome(job), job.Status.CompletedIndexes)
	}
}
