package servers

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// SlurmCluster is a Slurm with some nodes, all on this machine.
type SlurmCluster struct {
	conf  string
	nodes map[string]*Server
}

// The configuration of Slurm: the files are in one directory, nothing is accounted or confined, and what usually takes
// minutes (that a node is missed, that a job is started again after cred_expire) takes seconds. Each node claims to have
// more than the machine.
const slurmConf = `ClusterName=test
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[2]s
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=%[3]s/munge.socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
MaxArraySize=1001
KillWait=10
SlurmdTimeout=5
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
StateSaveLocation=%[3]s/state
SlurmctldPidFile=%[3]s/slurmctld.pid
SlurmdPidFile=%[3]s/%%n.pid
SlurmdSpoolDir=%[3]s/%%n
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`

// Slurm starts a Slurm whose nodes have the given names, and 16 CPUs each. Each node has its own process namespace, so that
// its tasks end with it. Root can do that.
func Slurm(t *testing.T, nodes ...string) *SlurmCluster {
	t.Helper()
	if os.Getenv("SHARDFS_SLURM") == "" {
		skip.Without(t, "Slurm, which make test-slurm starts")
	}
	if os.Geteuid() != 0 {
		skip.Without(t, "root, to start Slurm")
	}
	dir := dirs(t, "state")
	munge(t, dir)
	c := &SlurmCluster{conf: filepath.Join(dir, "slurm.conf"), nodes: make(map[string]*Server)}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	ports := make(map[string]string)
	command{program: "slurmctld", dir: dir, ready: connects, args: func(port string) []string {
		conf := fmt.Sprintf(slurmConf, host, port, dir)
		for _, node := range nodes {
			if ports[node], err = FreePort(); err != nil {
				t.Fatal(err)
			}
			conf += fmt.Sprintf("NodeName=%s NodeHostname=%s NodeAddr=127.0.0.1 Port=%s CPUs=16 RealMemory=100000\n",
				node, host, ports[node])
		}
		write(t, c.conf, conf)
		return []string{"-D", "-c", "-f", c.conf}
	}}.start(t)
	slurmd := Find(t, "slurmd")
	for _, node := range nodes {
		args := []string{
			"--pid", "--fork", "--kill-child", "--mount-proc",
			"sh", "-c", `"$@" & wait`, "sh", // the namespace's first process, which gets the orphans
			slurmd, "-D", "-c", "-N", node, "-f", c.conf,
		}
		c.nodes[node] = command{program: "unshare", dir: dir, port: ports[node], ready: connects,
			args: func(string) []string { return args }}.start(t)
	}
	testtime.Eventually(t, "nodes of Slurm that are idle", func() bool {
		states := strings.Fields(c.Run(t, "", "sinfo", "-h", "-N", "-o", "%T"))
		return strings.Join(states, " ") == strings.TrimSpace(strings.Repeat("idle ", len(nodes)))
	})
	return c
}

// munge starts the daemon by which the parts of Slurm know each other.
func munge(t *testing.T, dir string) {
	key := make([]byte, 128)
	rand.Read(key)
	write(t, filepath.Join(dir, "munge.key"), string(key))
	socket := filepath.Join(dir, "munge.socket")
	command{program: "munged", dir: dir, args: func(string) []string {
		args := []string{"--foreground", "--force", "--socket=" + socket}
		for _, file := range []string{"key", "pid", "log", "seed"} {
			args = append(args, "--"+file+"-file="+filepath.Join(dir, "munge."+file))
		}
		return args
	}, ready: func(string) error {
		c, err := net.Dial("unix", socket)
		if err == nil {
			c.Close()
		}
		return err
	}}.start(t)
}

// Env returns the environment by which the programs of Slurm find it.
func (c *SlurmCluster) Env() []string { return []string{"SLURM_CONF=" + c.conf} }

// Command returns a command of Slurm, such as sbatch, with its standard input.
func (c *SlurmCluster) Command(t testing.TB, stdin, program string, args ...string) *exec.Cmd {
	cmd := exec.Command(Find(t, program), args...)
	cmd.Env = append(cmd.Environ(), c.Env()...)
	cmd.Stdin = strings.NewReader(stdin)
	return cmd
}

// Run runs a command of Slurm and returns what it prints. An error ends the test.
func (c *SlurmCluster) Run(t testing.TB, stdin, program string, args ...string) string {
	t.Helper()
	cmd := c.Command(t, stdin, program, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", program, args, err, &said)
	}
	return string(out)
}

// PowerOff ends a node and its tasks at once.
func (c *SlurmCluster) PowerOff(t testing.TB, node string) {
	t.Helper()
	c.signal(t, node, syscall.SIGKILL)
}

// CutOff makes a node silent, as a broken network does, while its tasks go on. PowerOff ends them.
func (c *SlurmCluster) CutOff(t testing.TB, node string) {
	t.Helper()
	c.signal(t, node, syscall.SIGSTOP)
}

func (c *SlurmCluster) signal(t testing.TB, node string, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-c.nodes[node].PID, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}
