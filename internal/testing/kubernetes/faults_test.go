package kubernetes

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shardfs/shardfs/internal/testing/kubernetes/node"
	"github.com/shardfs/shardfs/internal/testing/kubernetes/plane"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// The indexes that fail by themselves, the first time: with statuses 65, 1 and 75.
var (
	damaged   = []int{11, 97}
	failing   = []int{23, 81}
	temporary = []int{37, 120}
)

// injector injects faults into a Job that runs, each into another index.
type injector struct {
	*cluster
	namespace, job string
	used           map[int]bool
}

// faults are what happens to the Job while it runs, in this order.
var faults = []struct {
	name string
	do   func(in *injector, t *testing.T)
}{
	{"kill", (*injector).kill},
	{"evict", (*injector).evict},
	{"a node dies", (*injector).die},
	{"kill", (*injector).kill},
	{"API server", restart(plane.APIServer)},
	{"delete", (*injector).remove},
	{"a node is cut off", (*injector).cut},
	{"evict", (*injector).evict},
	{"controllers", restart(plane.ControllerManager)},
	{"kill", (*injector).kill},
	{"delete by force", (*injector).force},
	{"scheduler", restart(plane.Scheduler)},
	{"kill", (*injector).kill},
	{"evict", (*injector).evict},
	{"etcd", restart(plane.Etcd)},
	{"delete", (*injector).remove},
	{"kill", (*injector).kill},
	{"delete by force", (*injector).force},
}

func restart(program string) func(*injector, *testing.T) {
	return func(in *injector, t *testing.T) { in.Restart(t, program) }
}

// index returns the index of a pod of the Job.
func (in *injector) index(pod string) (int, bool) {
	rest, ok := strings.CutPrefix(pod, in.job+"-")
	number, _, _ := strings.Cut(rest, "-")
	i, err := strconv.Atoi(number)
	return i, ok && err == nil
}

// bite does something to a pod that runs, until one has been ended by it: most tasks end soon. It wants this exit status.
func (in *injector) bite(t *testing.T, exit int, do func(n *node.Node, pod string) bool) {
	t.Helper()
	testtime.Eventually(t, "a fault that bites", func() bool {
		n, pod := in.target()
		if n == nil || !do(n, pod) {
			return false
		}
		got := -1
		testtime.Eventually(t, "the end of pod "+pod, func() bool {
			for _, a := range n.Attempts() {
				if a.Pod == pod {
					got = a.Exit
				}
			}
			return got >= 0
		})
		if got != exit && got != 0 {
			t.Errorf("pod %s has ended with status %d, not %d", pod, got, exit)
		}
		return got == exit
	})
}

// target returns a pod that runs, of an index that has had no fault.
func (in *injector) target() (*node.Node, string) {
	for _, name := range slices.Sorted(maps.Keys(in.nodes)) {
		for _, pod := range in.nodes[name].Running() {
			if i, ok := in.index(pod); ok && !in.used[i] {
				in.used[i] = true
				return in.nodes[name], pod
			}
		}
	}
	return nil, ""
}

func (in *injector) kill(t *testing.T) {
	in.bite(t, 137, func(n *node.Node, pod string) bool { return n.Kill(pod) })
}

func (in *injector) evict(t *testing.T) {
	in.bite(t, 143, func(_ *node.Node, pod string) bool {
		return in.Client.PolicyV1().Evictions(in.namespace).Evict(t.Context(),
			&policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: in.namespace}}) == nil
	})
}

func (in *injector) remove(t *testing.T) {
	in.bite(t, 143, func(_ *node.Node, pod string) bool {
		_, err := in.Kubectl(t, nil, "delete", "pod", "--wait=false", "-n", in.namespace, pod)
		return err == nil
	})
}

func (in *injector) force(t *testing.T) {
	in.bite(t, 137, func(_ *node.Node, pod string) bool {
		_, err := in.Kubectl(t, nil, "delete", "pod", "--wait=false", "--grace-period=0", "--force", "-n", in.namespace,
			pod)
		return err == nil
	})
}

// lose takes a node on which pods run out of the cluster.
func (in *injector) lose(t *testing.T) (lost *node.Node) {
	t.Helper()
	testtime.Eventually(t, "a node with pods", func() bool {
		for _, name := range slices.Sorted(maps.Keys(in.nodes)) {
			if lost = in.nodes[name]; len(lost.Running()) > 1 {
				return true
			}
		}
		return false
	})
	delete(in.nodes, lost.Name)
	for _, pod := range lost.Running() {
		if i, ok := in.index(pod); ok {
			in.used[i] = true
		}
	}
	return lost
}

// die: a machine is gone, and the cloud says so.
func (in *injector) die(t *testing.T) {
	lost := in.lose(t)
	lost.Die()
	testtime.Eventually(t, "the end of the node's object", func() bool {
		return in.Client.CoreV1().Nodes().Delete(t.Context(), lost.Name, metav1.DeleteOptions{}) == nil
	})
}

// cut: a machine cannot be reached, and its containers go on. An administrator believes that it is off, which is wrong: new
// attempts run beside those that nobody sees.
func (in *injector) cut(t *testing.T) {
	lost := in.lose(t)
	lost.Cut()
	testtime.Eventually(t, "the taint of the node", func() bool {
		n, err := in.Client.CoreV1().Nodes().Get(t.Context(), lost.Name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown",
			Effect: corev1.TaintEffectNoExecute})
		_, err = in.Client.CoreV1().Nodes().Update(t.Context(), n, metav1.UpdateOptions{})
		return err == nil
	})
}

// arm has some indexes fail the first time: a file that the commands remove, and fail if they could.
func arm(t *testing.T, c *cluster, kind string, indexes []int) {
	t.Helper()
	dir := filepath.Join(c.faults, kind)
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	for _, i := range indexes {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
