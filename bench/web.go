package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A webServer is nginx, which serves the bench's directory on the loopback interface.
type webServer struct {
	addr string
	log  string // a line for each request: its method, its status and the bytes of the answer's body
	seen int64  // bytes of log that were counted
	cmd  *exec.Cmd
}

// webConfig is for one process of one user, so that root and others can run it. Its log is not buffered.
const webConfig = `
daemon off;
%s
worker_processes 1;
pid %[2]s/nginx.pid;
error_log %[2]s/error.log;
events { worker_connections 1024; }
http {
	log_format bench '$request_method $status $body_bytes_sent $uri';
	access_log %[2]s/access.log bench;
	client_body_temp_path %[2]s/tmp;
	proxy_temp_path %[2]s/tmp;
	fastcgi_temp_path %[2]s/tmp;
	uwsgi_temp_path %[2]s/tmp;
	scgi_temp_path %[2]s/tmp;
	sendfile on;
	tcp_nopush on;
	autoindex on;
	keepalive_requests 1000000;
	server {
		listen %[3]s;
		root %[4]s;
	}
}
`

// serveWeb starts nginx. The caller closes it.
func (b *bench) serveWeb(ctx context.Context) (*webServer, error) {
	nginx, err := lookPath("nginx")
	if err != nil {
		return nil, err
	}
	dir := b.shared("nginx")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(filepath.Join(dir, "tmp"), 0o755)); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := ln.Addr().String()
	ln.Close()
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(webConfig, user, dir, addr, b.dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	w := &webServer{addr: addr, log: filepath.Join(dir, "access.log"), cmd: exec.Command(nginx, "-c", config)}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	if _, err := w.traffic(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// lookPath finds a program in PATH, in the directories of the system's own servers, where `.ci/servers` installs servers
// for tests, and where `go install` puts it.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	home, _ := os.UserHomeDir()
	for _, dir := range []string{"/usr/sbin", filepath.Join(os.Getenv("SHARDFS_SERVERS"), "bin"), os.Getenv("GOBIN"),
		filepath.Join(os.Getenv("GOPATH"), "bin"), filepath.Join(home, "go/bin")} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil && filepath.IsAbs(path) {
			return path, nil
		}
	}
	return "", err
}

func (w *webServer) close() error {
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return w.cmd.Wait()
}

// A traffic is what clients have asked for.
type traffic struct {
	requests int
	bytes    int64 // that were sent
}

// marker is asked for to see that all requests before it are in the log.
const marker = "/no-such-file-of-the-bench"

// traffic returns the traffic since the last call. Requests that are not over are counted in the next call.
func (w *webServer) traffic(ctx context.Context) (traffic, error) {
	for ctx.Err() == nil {
		if answer, err := http.Get("http://" + w.addr + marker); err == nil {
			answer.Body.Close()
			break
		}
		time.Sleep(10 * time.Millisecond) // nginx is starting
	}
	var t traffic
	f, err := os.Open(w.log)
	if err != nil {
		return t, err
	}
	defer f.Close()
	if _, err := f.Seek(w.seen, io.SeekStart); err != nil {
		return t, err
	}
	for in := bufio.NewReader(f); ctx.Err() == nil; {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			time.Sleep(time.Millisecond) // the marker's line comes with its answer, or soon after it
			if _, err := f.Seek(w.seen, io.SeekStart); err != nil {
				return t, err
			}
			in.Reset(f)
			continue
		}
		if err != nil {
			return t, err
		}
		w.seen += int64(len(line))
		if strings.Contains(line, marker) {
			return t, nil
		}
		var method string
		var status int
		var bytes int64
		if _, err := fmt.Sscan(line, &method, &status, &bytes); err != nil {
			return t, fmt.Errorf("%s: %q: %w", w.log, line, err)
		}
		t.requests++
		t.bytes += bytes
	}
	return t, ctx.Err()
}
