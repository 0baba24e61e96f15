package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// stage is a moment in the run of a task.
type stage struct {
	name    string
	shard   string
	command string
	stalls  func(r *http.Request) bool // requests without an answer; nil: none, and the command makes out/begun
	two     bool                       // shards, of which the first is published
}

// stages are those at which a task may be told to end.
func stages() []stage {
	is := func(method, path, query string) func(r *http.Request) bool {
		return func(r *http.Request) bool {
			return r.Method == method && strings.HasPrefix(r.URL.Path, "/bucket"+path) &&
				(query == "" && r.URL.RawQuery == "" || query != "" && strings.Contains(r.URL.RawQuery, query))
		}
	}
	first := func(r *http.Request) bool { return strings.HasPrefix(r.Header.Get("Range"), "bytes=0-") }
	large := is("GET", "/large.tar", "")
	return []stage{
		{name: "looking for the output", stalls: is("GET", "/out", "")},
		{name: "opening the shard", stalls: is("GET", "/small.tar", "")},
		{name: "reading", shard: "large", stalls: func(r *http.Request) bool { return large(r) && !first(r) }},
		{name: "looking for uploads", shard: "large", stalls: is("GET", "", "uploads")},
		{name: "beginning an upload", shard: "large", stalls: is("POST", "/out", "uploads")},
		{name: "sending a part", shard: "large", stalls: is("PUT", "/out", "partNumber=2")},
		{name: "publishing the parts", shard: "large", stalls: is("POST", "/out", "uploadId")},
		{name: "publishing in one request", stalls: is("PUT", "/out", "")},
		{name: "a command", command: ": >$WORK/out/begun; sleep 1000"},
		{name: "a stubborn command", command: `trap "" TERM; : >$WORK/out/begun; while :; do sleep 1; done`},
		{name: "a command in the second shard", two: true,
			command: "case $SHARD in *large*) : >$WORK/out/begun; sleep 1000; esac"},
	}
}

// TestTermOfTask tells a task to end at each of its stages. It ends with 143 within the time that engines give, says so where
// it has to, and leaves nothing: no output, upload, file, mount or process.
func TestTermOfTask(t *testing.T) {
	s := servers.Versitygw(t)
	s.Bucket(t, "bucket")
	s.Put(t, "bucket", "small.tar", someSamples(t, 4, 3000))
	s.Put(t, "bucket", "large.tar", someSamples(t, 6, 4_000_000))
	proxy := faultproxy.New(t, s.URL)
	p := newPlace(t, nil)
	p.env = append(s.Env(), "AWS_ENDPOINT_URL_S3="+proxy.URL, "JOB_COMPLETION_INDEX=0",
		terminationVariable+"="+p.path("termination"))
	for i, stage := range stages() {
		for j, workspace := range workspaces(t) {
			if *long || (i+j)%2 == 0 {
				t.Run(stage.name+" "+workspace, func(t *testing.T) { p.as(t).term(s, proxy, stage, workspace) })
			}
		}
	}
}

// term runs a task until it is at a stage, and tells it to end.
func (p *place) term(s *servers.S3, proxy *faultproxy.Proxy, at stage, workspace string) {
	p.reset(nil)
	proxy.Break(nil)
	reached := make(chan struct{})
	if at.stalls != nil {
		once := sync.OnceFunc(func() { close(reached) })
		proxy.Break(func(_ int, r *http.Request) faultproxy.Fault {
			if !at.stalls(r) {
				return faultproxy.None
			}
			once()
			return faultproxy.Stall
		})
	}
	command, shards := "tr a-z A-Z <sample.txt >sample.up", []string{"s3://bucket/small.tar"}
	if at.command != "" {
		command = at.command
	}
	if at.shard != "" {
		shards[0] = "s3://bucket/" + at.shard + ".tar"
	}
	if at.two {
		shards = append(shards, "s3://bucket/large.tar")
	}
	cmd := exec.Command(p.program, append([]string{"run", "--task", "auto", "--stride", "1", "--workspace", workspace,
		"-c", command, "-o", "s3://bucket/out-{name}.tar"}, shards...)...)
	cmd.Dir = p.dir
	cmd.Env = append([]string{"WORK=" + p.dir, "TMPDIR=" + p.path(".tmp"), "XDG_CACHE_HOME=" + p.path(".cache"),
		"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}, p.env...)
	var stderr bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &stderr, p.patient
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.must(cmd.Start())
	defer cleanUp(p.dir)
	if at.stalls != nil {
		testtime.Receive(p.t, reached, "the request: "+at.name)
	} else {
		testtime.Eventually(p.t, "the command", func() bool {
			_, err := os.Stat(p.path("out", "begun"))
			return err == nil && (!at.two || slices.Contains(s.List(p.t, "bucket"), "out-small.tar"))
		})
	}
	p.must(unix.Kill(cmd.Process.Pid, unix.SIGTERM))
	told := time.Now()
	cmd.Wait()
	took := time.Since(told)
	p.t.Logf("%v: %s", took.Round(time.Millisecond), stderr.String())
	if status := cmd.ProcessState.ExitCode(); status != 143 || took > 30*time.Second {
		p.t.Errorf("exit status %d after %v", status, took)
	}
	if n := strings.Count(stderr.String(), "shardfs: error: "); n != 1 {
		p.t.Errorf("%d errors", n)
	}
	said, err := os.ReadFile(p.path("termination"))
	if string(said) != "interrupted by SIGTERM\n" {
		p.t.Errorf("the termination message is %q, %v", said, err)
	}
	p.gone()
	if at.two {
		s.Remove(p.t, "bucket", "out-small.tar")
	}
	testtime.Eventually(p.t, "the end of all uploads", func() bool {
		names := s.List(p.t, "bucket")
		slices.Sort(names)
		return strings.Join(names, " ") == "large.tar small.tar"
	})
	if left, _ := filepath.Glob(p.path(".tmp", "*")); len(left) > 0 {
		p.t.Errorf("left behind: %q", left)
	}
	if m := mountpoints(p.dir); len(m) > 0 {
		p.t.Errorf("mounted: %q", m)
	}
}
