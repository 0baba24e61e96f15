// Package plane starts the control plane of a Kubernetes cluster: etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler, as `.ci/servers DIR kubernetes` builds them, on loopback, with files in a temporary directory.
//
// What it does is what clusters do, but sooner: a node that does not tell that it lives is lost after 8 seconds, and its pods
// are evicted after 2.
//
// Only tests import this package.
package plane

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// The programs of a control plane, in the order in which they are started.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
)

// Plane is a running control plane.
type Plane struct {
	Client kubernetes.Interface // of an administrator; it may be used concurrently

	dir        string
	kubectl    string
	components map[string]*component
}

// Start starts a control plane, which ends with the test. It skips the test where the programs are missing.
func Start(t *testing.T) *Plane {
	t.Helper()
	p := &Plane{dir: t.TempDir(), kubectl: servers.Find(t, "kubectl"), components: map[string]*component{}}
	if err := certificates(p.dir); err != nil {
		t.Fatal(err)
	}
	var ports [3]string
	for i := range ports {
		var err error
		if ports[i], err = servers.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	api := "https://127.0.0.1:" + ports[2]
	if err := os.WriteFile(p.kubeconfig(), []byte(fmt.Sprintf(kubeconfig, api)), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", p.kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = -1, -1 // the test and its nodes wait for nothing but the server
	if p.Client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	p.add(t, ports[0], ports[1], ports[2])
	for _, name := range []string{Etcd, APIServer, ControllerManager, Scheduler} {
		p.start(t, name)
	}
	return p
}

// kubeconfig is how the programs and kubectl find the API server.
const kubeconfig = `
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "%s", certificate-authority: ` + authority + `}}]
users: [{name: admin, user: {client-certificate: ` + adminCert + `, client-key: ` + adminKey + `}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
`

func (p *Plane) kubeconfig() string { return filepath.Join(p.dir, "kubeconfig") }

// add prepares the programs with their ports: of etcd for clients and for its like, and of the API server.
func (p *Plane) add(t *testing.T, client, peer, api string) {
	file := func(name string) string { return filepath.Join(p.dir, name) }
	clients, peers := "http://127.0.0.1:"+client, "http://127.0.0.1:"+peer
	p.components[Etcd] = newComponent(t, p.dir, Etcd,
		"--data-dir="+file("etcd"), "--log-level=error", "--unsafe-no-fsync", "--name=test",
		"--listen-client-urls="+clients, "--advertise-client-urls="+clients,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=test="+peers)
	p.components[APIServer] = newComponent(t, p.dir, APIServer,
		"--etcd-servers="+clients, "--bind-address=127.0.0.1", "--secure-port="+api, "--endpoint-reconciler-type=none",
		"--tls-cert-file="+file(serverCert), "--tls-private-key-file="+file(serverKey),
		"--client-ca-file="+file(authority),
		"--service-account-key-file="+file(accountKey), "--service-account-signing-key-file="+file(accountKey),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24",
		"--authorization-mode=RBAC", "--allow-privileged", "--cert-dir="+file("apiserver"),
		"--default-not-ready-toleration-seconds=2", "--default-unreachable-toleration-seconds=2")
	p.components[ControllerManager] = newComponent(t, p.dir, ControllerManager,
		"--kubeconfig="+p.kubeconfig(), "--leader-elect=false", "--secure-port=0",
		"--service-account-private-key-file="+file(accountKey), "--root-ca-file="+file(authority),
		"--node-monitor-period=1s", "--node-monitor-grace-period=8s", "--kube-api-qps=200", "--kube-api-burst=400")
	p.components[Scheduler] = newComponent(t, p.dir, Scheduler,
		"--kubeconfig="+p.kubeconfig(), "--leader-elect=false", "--secure-port=0",
		"--kube-api-qps=200", "--kube-api-burst=400")
}

// start starts a program, and waits for the API server's answers.
func (p *Plane) start(t *testing.T, name string) {
	t.Helper()
	c := p.components[name]
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	if name != APIServer {
		return
	}
	testtime.Eventually(t, "the API server", func() bool {
		if err := c.alive(); err != nil {
			t.Fatal(err)
		}
		var status int
		p.Client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(t.Context()).StatusCode(&status)
		return status == http.StatusOK
	})
}

// Restart kills a program by SIGKILL and starts it again.
func (p *Plane) Restart(t *testing.T, name string) {
	t.Helper()
	p.components[name].kill()
	p.start(t, name)
}

// Alive fails the test if a program has ended.
func (p *Plane) Alive(t *testing.T) {
	t.Helper()
	for _, c := range p.components {
		if err := c.alive(); err != nil {
			t.Error(err)
		}
	}
}

// Kubectl runs kubectl with a standard input and returns its output; an error contains what it says.
func (p *Plane) Kubectl(t *testing.T, stdin []byte, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.kubectl, slices.Concat([]string{"--kubeconfig", p.kubeconfig()}, args)...)
	cmd.Dir, cmd.Stdin = p.dir, bytes.NewReader(stdin)
	cmd.Env = append(cmd.Environ(), "HOME="+p.dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String() + stderr.String(), nil
}
