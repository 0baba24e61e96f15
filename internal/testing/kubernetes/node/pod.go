package node

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shardfs/shardfs/internal/testing/kubernetes/sandbox"
)

// pod is a pod on this node.
type pod struct {
	*corev1.Pod // as it was when the node first saw it
	node        *Node
	dir         string

	mu      sync.Mutex
	current *sandbox.Container // that runs now, or ran last
	last    bool               // it is not an init container
	kill    *time.Timer        // ends it, when it has been told to end
	stopped bool               // no more containers are started
	done    bool               // all have ended, and the server knows
}

func newPod(n *Node, seen *corev1.Pod) *pod {
	return &pod{Pod: seen, node: n, dir: filepath.Join(n.dir, string(seen.UID)), done: ended(seen)}
}

// main returns the last container if it runs.
func (p *pod) main() *sandbox.Container {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil || !p.last || p.stopped {
		return nil
	}
	select {
	case <-p.current.Ended:
		return nil
	default:
		return p.current
	}
}

// stop ends the pod: by SIGTERM, and by SIGKILL after a time. It may be called again, to end it sooner. When the pod has
// ended, the server may forget it.
func (p *pod) stop(grace time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	again := p.stopped
	p.stopped = true
	switch {
	case p.done:
		p.node.work.Go(p.forget)
	case p.current == nil:
	case grace == 0:
		p.current.Signal(syscall.SIGKILL)
	case !again:
		c := p.current
		c.Signal(syscall.SIGTERM)
		p.kill = time.AfterFunc(grace, func() { c.Signal(syscall.SIGKILL) })
	}
}

// run runs the containers, and tells the server how they are.
func (p *pod) run() {
	status := p.containers()
	p.tell(status)
	os.RemoveAll(p.dir)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = true
	if p.kill != nil {
		p.kill.Stop()
	}
	if p.stopped {
		p.node.work.Go(p.forget)
	}
}

// containers runs one container after the other, and returns what has become of the pod.
func (p *pod) containers() corev1.PodStatus {
	status := corev1.PodStatus{Phase: corev1.PodRunning, StartTime: now()}
	if err := p.prepare(); err != nil {
		return p.failed(status, "CreateContainerConfigError", err)
	}
	for _, c := range p.Spec.InitContainers {
		state, err := p.container(c, false, nil)
		if err != nil {
			return p.failed(status, "Init:StartError", err)
		}
		status.InitContainerStatuses = append(status.InitContainerStatuses, containerStatus(c, state, 0))
		if state.ExitCode != 0 {
			status.Phase = corev1.PodFailed
			return status
		}
	}
	main := p.Spec.Containers[0]
	for restarts := int32(0); ; restarts++ {
		state, err := p.container(main, true, func() {
			running := status
			running.ContainerStatuses = []corev1.ContainerStatus{containerStatus(main, nil, restarts)}
			p.tell(running)
		})
		if err != nil {
			return p.failed(status, "StartError", err)
		}
		if state.ExitCode != 0 && p.Spec.RestartPolicy == corev1.RestartPolicyOnFailure && !p.ending() {
			continue
		}
		status.Phase = corev1.PodSucceeded
		if state.ExitCode != 0 {
			status.Phase = corev1.PodFailed
		}
		status.ContainerStatuses = []corev1.ContainerStatus{containerStatus(main, state, restarts)}
		return status
	}
}

func (p *pod) ending() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// container runs one container to its end.
func (p *pod) container(c corev1.Container, last bool, started func()) (*corev1.ContainerStateTerminated, error) {
	spec, files, err := p.spec(c)
	if err != nil {
		return nil, err
	}
	output, err := os.Create(files.output)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	begin := now()
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "ContainerStatusUnknown"}, nil
	}
	run, err := sandbox.Start(p.node.image.Enter, spec, output)
	if err == nil {
		p.current, p.last = run, last
	}
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if started != nil {
		started()
	}
	<-run.Ended
	state := &corev1.ContainerStateTerminated{ExitCode: int32(run.Exit()), Reason: "Completed",
		StartedAt: *begin, FinishedAt: *now(), Message: files.message(c, run.Exit())}
	if state.ExitCode != 0 {
		state.Reason = "Error"
	}
	if last {
		p.node.record(Attempt{Pod: p.Name, Exit: run.Exit(), Log: tail(files.output, 2048)})
	}
	return state, nil
}

// failed returns the status of a pod that could not be run.
func (p *pod) failed(status corev1.PodStatus, reason string, err error) corev1.PodStatus {
	status.Phase, status.Reason, status.Message = corev1.PodFailed, reason, err.Error()
	return status
}

// pause is how long the node waits before it tells again what the server did not hear.
const pause = 200 * time.Millisecond

// tell gives the server a status, as soon as it hears. Conditions of others stay.
func (p *pod) tell(status corev1.PodStatus) {
	p.insist(func(ctx context.Context) error {
		pods := p.node.client.CoreV1().Pods(p.Namespace)
		kept, err := pods.Get(ctx, p.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if kept.UID != p.UID || ended(kept) {
			return nil // what the control plane has declared to be lost stays so
		}
		conditions := kept.Status.Conditions
		kept.Status = status
		kept.Status.Conditions = conditions
		_, err = pods.UpdateStatus(ctx, kept, metav1.UpdateOptions{})
		return err
	})
}

// forget lets the server forget the pod, which was deleted.
func (p *pod) forget() {
	none := int64(0)
	p.insist(func(ctx context.Context) error {
		err := p.node.client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &none, Preconditions: metav1.NewUIDPreconditions(string(p.UID))})
		if apierrors.IsConflict(err) { // it is another one
			return nil
		}
		return err
	})
}

// insist repeats a request until the server has answered it, the pod is gone, or the node is lost.
func (p *pod) insist(request func(context.Context) error) {
	for !p.node.lost.Load() {
		err := request(p.node.reach)
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsInvalid(err) {
			return
		}
		select {
		case <-p.node.reach.Done():
		case <-time.After(pause):
		}
	}
}

// containerStatus returns the status of a container that has ended, or runs.
func containerStatus(c corev1.Container, state *corev1.ContainerStateTerminated,
	restarts int32) corev1.ContainerStatus {
	s := corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: c.Image, RestartCount: restarts}
	if s.State.Terminated = state; state == nil {
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: *now()}
		s.Ready = true
		s.Started = &s.Ready
	}
	return s
}

func now() *metav1.Time {
	t := metav1.Now()
	return &t
}
