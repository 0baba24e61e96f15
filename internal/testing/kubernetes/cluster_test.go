package kubernetes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shardfs/shardfs/internal/testing/kubernetes/node"
	"github.com/shardfs/shardfs/internal/testing/kubernetes/plane"
	"github.com/shardfs/shardfs/internal/testing/kubernetes/sandbox"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// cluster is a control plane, its nodes and the image that these run.
type cluster struct {
	*plane.Plane
	program string                // shardfs
	faults  string                // a directory that all containers see as /faults
	all     []*node.Node          // from the beginning
	nodes   map[string]*node.Node // that are not lost
}

// user is the one of the image.
const user = 65532

// newCluster starts a cluster with so many nodes of so many pods each. Before is a script that the image has as shardfs, which
// is /opt/real/shardfs there.
func newCluster(t *testing.T, before string, nodes, pods int) *cluster {
	t.Helper()
	if os.Getuid() != 0 {
		skip.Without(t, "root, to start containers")
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	c := &cluster{Plane: plane.Start(t), program: file("shardfs"), faults: t.TempDir(), nodes: map[string]*node.Node{}}
	if err := os.Chmod(c.faults, 0o777); err != nil {
		t.Fatal(err)
	}
	build(t, ".", file("enter"), "./sandbox/enter")
	build(t, "../../..", c.program, "./cmd/shardfs")
	if err := os.WriteFile(file("before"), []byte(before), 0o755); err != nil {
		t.Fatal(err)
	}
	image := node.Image{
		Enter: file("enter"),
		Env:   []string{"PATH=/opt/bin:/usr/bin:/bin"},
		Mounts: []sandbox.Mount{
			{From: file("before"), To: "/opt/bin/shardfs"},
			{From: c.program, To: "/opt/real/shardfs"},
			{From: c.faults, To: "/faults", Writable: true},
		},
		User: user,
	}
	for i := range nodes {
		n := node.Start(t, c.Client, fmt.Sprintf("node-%d", i), pods, image)
		c.all, c.nodes[n.Name] = append(c.all, n), n
	}
	return c
}

// build builds a program of the module in a directory.
func build(t *testing.T, dir, to, pkg string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", to, pkg)
	cmd.Dir, cmd.Env = dir, append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// namespace makes a namespace in which only restricted pods are admitted, and waits until pods can be made there.
func (c *cluster) namespace(t *testing.T, name string) {
	t.Helper()
	restricted := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	_, err := c.Client.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: restricted}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	testtime.Eventually(t, "the service account of the namespace", func() bool {
		_, err := c.Client.CoreV1().ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
}

// apply applies a manifest, and returns what kubectl says.
func (c *cluster) apply(t *testing.T, namespace string, manifest []byte) string {
	t.Helper()
	out, err := c.Kubectl(t, manifest, "apply", "-n", namespace, "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// job returns a Job, or nil while the server does not answer.
func (c *cluster) job(ctx context.Context, namespace, name string) (*batchv1.Job, error) {
	job, err := c.Client.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, nil
	}
	return job, err
}

// finished returns a Job that has ended, or nil.
func (c *cluster) finished(t *testing.T, namespace, name string) *batchv1.Job {
	t.Helper()
	job, err := c.job(t.Context(), namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	if job == nil {
		return nil
	}
	for _, condition := range job.Status.Conditions {
		ends := condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed
		if ends && condition.Status == corev1.ConditionTrue {
			return job
		}
	}
	return nil
}

// wait waits for the end of a Job and returns it.
func (c *cluster) wait(t *testing.T, namespace, name string) (job *batchv1.Job) {
	t.Helper()
	testtime.Eventually(t, "the end of Job "+name, func() bool {
		c.Alive(t)
		job = c.finished(t, namespace, name)
		return job != nil || t.Failed()
	})
	if t.Failed() {
		t.FailNow()
	}
	return job
}

// outcome tells how a Job has ended: Complete, or why it Failed.
func outcome(job *batchv1.Job) string {
	var all []string
	for _, condition := range job.Status.Conditions {
		switch {
		case condition.Status != corev1.ConditionTrue:
		case condition.Type == batchv1.JobComplete:
			all = append(all, "Complete")
		case condition.Type == batchv1.JobFailed:
			all = append(all, condition.Reason)
		}
	}
	return strings.Join(all, ",")
}

// pods returns the pods of a Job that the server knows.
func (c *cluster) pods(t *testing.T, namespace, job string) []corev1.Pod {
	t.Helper()
	list, err := c.Client.CoreV1().Pods(namespace).List(t.Context(),
		metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// read returns the content of a file in the directory of faults.
func (c *cluster) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.faults, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
