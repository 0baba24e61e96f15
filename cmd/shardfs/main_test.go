package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/guard"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/testing/hub"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// statusVariable is the environment variable with the name of the file to which a story's shardfs writes its exit
// status.
const statusVariable = "STORY_STATUS"

// TestMain lets the test binary run as shardfs: a story starts it under that name, and that process can start itself
// again to serve a mount.
func TestMain(m *testing.M) {
	if os.Getenv(guard.Variable) != "" {
		os.Exit(run(nil)) // it has a name of its own
	}
	if filepath.Base(os.Args[0]) != "shardfs" && !isHelper() {
		// /proc/self describes the first thread, and a test may move its own thread into another mount namespace.
		runtime.LockOSThread()
		// Under nohup it is ignored, by shardfs too, which a story ends with it.
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	shardfs := func() {
		server := os.Getenv(server.Variable) != ""
		status := run(ownArguments())
		if !server {
			os.WriteFile(os.Getenv(statusVariable), fmt.Append(nil, status), 0o666)
		}
		os.Exit(status)
	}
	testscript.Main(m, map[string]func(){
		"shardfs": shardfs, helperNames[0]: shardfs, helperNames[1]: shardfs, "weakfs": weakFS,
	})
}

// TestStories runs the stories of the command line. Each has its own directory and TMPDIR, and must leave no process,
// mount or temporary file.
func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setUp,
		Condition:           condition,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"blocked":      blocked,
			"browse":       browse,
			"document":     runDocument,
			"ended":        ended,
			"download":     download,
			"eventually":   eventually,
			"fits":         fits,
			"gate":         makeGate,
			"helpexamples": runHelp,
			"http":         serveHTTP,
			"proxy":        serveProxy,
			"inputs":       makeInputs,
			"jsonlines":    jsonLines,
			"mkshard":      makeShard,
			"opened":       opened,
			"pid":          pid,
			"push":         push,
			"same":         same,
			"send":         send,
			"status":       status,
			"stored":       stored,
			"tamper":       tamper,
			"upload":       upload,
			"watch":        watch,
		},
	})
}

func setUp(env *testscript.Env) error {
	limit := testtime.Limit(env.T().(testtime.Deadliner), time.Minute)
	env.Values[limitKey{}] = limit
	env.Values[gateKey{}] = new(gate)
	env.Values[watchKey{}] = new(int)
	env.Values[hubKey{}] = new(*hub.Hub)
	env.Values[cloudKey{}] = &cloud{t: env.T().(testing.TB)}
	env.Setenv(statusVariable, filepath.Join(env.WorkDir, ".status"))
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLES", examples)
	env.Setenv("TZ", "UTC")
	env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
	env.Setenv("LC_ALL", "C.UTF-8")
	if env.Getenv("GORACE") == "" {
		env.Setenv("GORACE", "atexit_sleep_ms=0") // with -race, each process would sleep for a second
	}
	program, err := exec.LookPath("shardfs")
	if err != nil {
		return err
	}
	// Other users must have access, too.
	for _, dir := range []string{filepath.Dir(env.WorkDir), filepath.Dir(filepath.Dir(program))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	t := env.T().(testing.TB)
	watchdog := time.AfterFunc(limit, func() { cleanUp(env.WorkDir) }) // makes a story that hangs fail
	env.Defer(func() {
		watchdog.Stop()
		if !t.Failed() && !t.Skipped() {
			for _, left := range leftovers(env.WorkDir, limit) {
				t.Errorf("left behind: %s", left)
			}
		}
		cleanUp(env.WorkDir)
	})
	return nil
}

// leftovers returns the processes, mounts and files of a story that are still there after a time limit.
func leftovers(work string, limit time.Duration) (all []string) {
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		all = nil
		for _, p := range processes(work) {
			all = append(all, fmt.Sprintf("process %d: %s", p.pid, strings.Join(p.args, " ")))
		}
		for _, m := range mountpoints(work) {
			all = append(all, "mount "+m)
		}
		temps, _ := filepath.Glob(filepath.Join(work, ".tmp", "shardfs-*"))
		all = append(all, temps...)
		filepath.WalkDir(work, func(name string, _ os.DirEntry, err error) error {
			if err == nil && strings.Contains(filepath.Base(name), ".shardfs-") {
				all = append(all, name)
			}
			return nil
		})
		if len(all) == 0 || time.Since(start) > limit {
			return all
		}
	}
}

// cleanUp removes what a story has left, however it ended.
func cleanUp(work string) {
	for _, p := range processes(work) {
		unix.Kill(p.pid, unix.SIGKILL)
	}
	for _, m := range mountpoints(work) {
		mounts.Unmount(m, true)
	}
}

// mountpoints returns the mountpoints in a directory, last mounted first.
func mountpoints(work string) (all []string) {
	mounted, _ := mounts.List()
	for _, m := range mounted {
		if mounts.Within(m.Mountpoint, work) {
			all = append([]string{m.Mountpoint}, all...)
		}
	}
	return all
}

// process is a process that a story has started.
type process struct {
	pid  int
	args []string
}

// dead reports whether the process has ended, and all its files are closed.
func (p process) dead() bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.pid))
	return len(threads) <= 1 && (strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X"))
}

// runs reports whether the process is shardfs running a verb.
func (p process) runs(verb string) bool {
	if p.args[0] == "guardian" {
		return verb == "guardian"
	}
	return len(p.args) > 1 && filepath.Base(p.args[0]) == "shardfs" && p.args[1] == verb
}

// starts reports whether the process has just been started, and looks like the one that has started it, but has only one
// thread.
func (p process) starts() bool {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.pid))
	return len(threads) <= 1
}

// processes returns the running processes of a story: those that have its directory in their environment.
func processes(work string) (all []process) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || !strings.Contains("\x00"+string(environ), "\x00WORK="+work+"\x00") {
			continue
		}
		var p process
		fmt.Sscanf(filepath.Base(dir), "%d", &p.pid)
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		p.args = strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00")
		all = append(all, p)
	}
	return all
}

// shardfsIn returns a command of shardfs that runs in a directory, and has its cache there.
func shardfsIn(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command("shardfs", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+dir, statusVariable+"="+filepath.Join(dir, "status"))
	return cmd
}

// needFUSE skips a test where nothing can be mounted.
func needFUSE(t *testing.T) {
	t.Helper()
	if !server.CanMount() {
		skip.Without(t, "FUSE")
	}
}

// condition evaluates the conditions of stories: [fuse], that FUSE works; [root]; [erofs], that --base kernel works; and
// [user], that users other than root can mount.
func condition(name string) (bool, error) {
	switch name {
	case "fuse":
		return server.CanMount(), nil
	case "root":
		return os.Geteuid() == 0, nil
	case "erofs":
		return canMountEROFS(), nil
	case "user":
		return canMountAsUser(), nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// canMountEROFS reports whether the kernel mounts EROFS from files with blocks of 512 bytes.
func canMountEROFS() bool {
	dir, err := os.MkdirTemp("", "erofs")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	script := "echo >a.txt && tar -cf a.tar a.txt && shardfs -q mount -r --base kernel a.tar mnt && shardfs umount mnt"
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	return cmd.Run() == nil
}

// canMountAsUser reports whether root can test mounts as another user: that needs a setuid fusermount3, and a mount
// namespace in which /dev/fuse is accessible for all.
func canMountAsUser() bool {
	helper, err := exec.LookPath("fusermount3")
	if err != nil || os.Geteuid() != 0 {
		return false
	}
	for _, tool := range []string{"setpriv", "unshare"} {
		if _, err := exec.LookPath(tool); err != nil {
			return false
		}
	}
	dir, err := os.MkdirTemp("", "fuse")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	device := filepath.Join(dir, "fuse")
	if err := unix.Mknod(device, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 229))); err != nil {
		return false
	}
	fd, err := unix.Open(device, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	unix.Close(fd)
	info, err := os.Stat(helper)
	return err == nil && info.Mode()&os.ModeSetuid != 0
}
