// Package node is a node of a Kubernetes cluster, with a kubelet of ours: it registers, tells that it lives, runs the pods that
// are bound to it as processes of this machine (see package sandbox), tells how they are, and ends them when they are deleted.
//
// Of pods it knows what shardfs k8s writes and what tests need: containers one after the other (init containers) and one
// at the end, environments of values, fields, config maps and secrets, volumes of config maps, secrets and empty directories.
// All images are one image. Nothing is held against resources, and nothing is probed.
//
// Only tests import this package.
package node

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/shardfs/shardfs/internal/testing/kubernetes/sandbox"
)

// Image is what all containers run in.
type Image struct {
	Enter  string // the program sandbox/enter
	Env    []string
	Mounts []sandbox.Mount
	User   int // where the pod does not say which
}

// Node is a node and its kubelet. Its methods may be used concurrently.
type Node struct {
	Name string

	client kubernetes.Interface
	image  Image
	dir    string
	reach  context.Context // until the API server cannot be reached any more
	cut    context.CancelFunc
	lost   atomic.Bool // what happens to pods is told to nobody

	work sync.WaitGroup // what runs beside the caller

	mu       sync.Mutex
	pods     map[types.UID]*pod
	attempts []Attempt
}

// Attempt is a container of a pod that has ended.
type Attempt struct {
	Pod  string
	Exit int
	Log  string // the end of its output
}

// interval is how often a node tells that it lives.
const interval = time.Second

// Start registers a node that runs so many pods at a time. It ends with the test, with all its containers.
func Start(t *testing.T, client kubernetes.Interface, name string, pods int, image Image) *Node {
	t.Helper()
	n := &Node{Name: name, client: client, image: image, dir: t.TempDir(), pods: map[types.UID]*pod{}}
	n.reach, n.cut = context.WithCancel(context.Background())
	t.Cleanup(n.Die)
	if err := n.register(pods); err != nil {
		t.Fatal(err)
	}
	n.work.Go(n.heartbeat)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", name).String()
		}))
	informer := factory.Core().V1().Pods().Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    n.see,
		UpdateFunc: func(_, object any) { n.see(object) },
		DeleteFunc: n.gone,
	}); err != nil {
		t.Fatal(err)
	}
	n.work.Go(func() { informer.Run(n.reach.Done()) })
	return n
}

// register makes the Node.
func (n *Node) register(pods int) error {
	have := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("64"),
		corev1.ResourceMemory:           resource.MustParse("1Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("10Ti"),
		corev1.ResourcePods:             *resource.NewQuantity(int64(pods), resource.DecimalSI),
	}
	_, err := n.client.CoreV1().Nodes().Create(n.reach, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: map[string]string{
			corev1.LabelHostname: n.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"}},
		Status: corev1.NodeStatus{
			Capacity: have, Allocatable: have,
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue,
				Reason: "KubeletReady", LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now()}},
		},
	}, metav1.CreateOptions{})
	return err
}

// heartbeat tells that the node lives.
func (n *Node) heartbeat() {
	leases := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	seconds := int32(40)
	for ticker := time.NewTicker(interval); ; {
		now := metav1.NowMicro()
		lease, err := leases.Get(n.reach, n.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
			lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &n.Name, &seconds, &now
			_, err = leases.Create(n.reach, lease, metav1.CreateOptions{})
		} else if err == nil {
			lease.Spec.RenewTime = &now
			_, err = leases.Update(n.reach, lease, metav1.UpdateOptions{})
		}
		_ = err // the next one follows in a second, as long as the server is away
		select {
		case <-n.reach.Done():
			return
		case <-ticker.C:
		}
	}
}

// see learns of a pod as the server has it now.
func (n *Node) see(object any) {
	seen, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.pods[seen.UID]
	fresh := p == nil
	if fresh {
		p = newPod(n, seen)
		n.pods[seen.UID] = p
	}
	if seen.DeletionTimestamp != nil && seen.DeletionGracePeriodSeconds != nil {
		p.stop(time.Duration(*seen.DeletionGracePeriodSeconds) * time.Second)
	}
	if fresh && !p.done {
		n.work.Go(p.run)
	}
}

// gone learns that the server has forgotten a pod, which ends at once.
func (n *Node) gone(object any) {
	if unknown, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = unknown.Obj
	}
	if seen, ok := object.(*corev1.Pod); ok {
		n.mu.Lock()
		defer n.mu.Unlock()
		if p := n.pods[seen.UID]; p != nil {
			p.stop(0)
		}
	}
}

// Running returns the names of the pods whose last container runs now.
func (n *Node) Running() (names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		if p.main() != nil {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Kill ends the last container of a pod by SIGKILL, as a machine without memory does, and reports whether it still ran.
func (n *Node) Kill(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		if c := p.main(); p.Name == name && c != nil {
			c.Signal(syscall.SIGKILL)
			return true
		}
	}
	return false
}

// Attempts returns the containers that have ended so far.
func (n *Node) Attempts() []Attempt {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.attempts)
}

// Cut separates the node from the control plane: its containers run on, and nobody is told what becomes of them.
func (n *Node) Cut() {
	n.lost.Store(true)
	n.cut()
}

// Die ends the node and all its containers at once, without a word.
func (n *Node) Die() {
	n.Cut()
	n.mu.Lock()
	for _, p := range n.pods {
		p.stop(0)
	}
	n.mu.Unlock()
	n.work.Wait()
}

func (n *Node) record(a Attempt) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attempts = append(n.attempts, a)
}

// ended reports whether a pod runs no more.
func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}
