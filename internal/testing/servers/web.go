package servers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// User and Password are asked for by nginx below /private/.
const User, Password = "reader", "se/cret"

// Web is a web server whose files can be replaced.
type Web struct {
	*Server
	puts int
}

// nginx's configuration, with the port, the directory of files and that of temporary files.
const nginxConf = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
	access_log off;
	default_type application/octet-stream;
	keepalive_requests 1000000;
	keepalive_timeout 1h;
	sendfile on;
	client_body_temp_path tmp;
	proxy_temp_path tmp;
	fastcgi_temp_path tmp;
	uwsgi_temp_path tmp;
	scgi_temp_path tmp;
	limit_conn_zone $server_port zone=one:64k;
	server {
		listen 127.0.0.1:%s;
		root files;
		location /one/ {
			limit_conn one 1;
			limit_rate 50m;
		}
		location /private/ {
			auth_basic "private";
			auth_basic_user_file users;
		}
	}
}
`

// Nginx starts nginx, which serves the files of its Dir. Below /one/ it answers one request at a time, slowly, and others with
// 503.
func Nginx(t testing.TB) *Web {
	t.Helper()
	dir := dirs(t, "files/private", "files/one", "tmp")
	users := fmt.Sprintf("%s:{PLAIN}%s\n", User, Password)
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(users), 0o644); err != nil {
		t.Fatal(err)
	}
	s := command{program: "nginx", dir: dir, args: func(port string) []string {
		conf := filepath.Join(dir, "nginx.conf")
		if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, port), 0o644); err != nil {
			t.Fatal(err)
		}
		return []string{"-e", "stderr", "-p", dir, "-c", conf}
	}}.start(t)
	s.Dir = filepath.Join(dir, "files")
	return &Web{Server: s}
}

// Put makes or replaces a file by renaming one, so that each answer is of one version. The times of the versions are
// seconds apart, because nginx makes the ETag of the time in seconds and the size.
func (w *Web) Put(t testing.TB, path string, data []byte) {
	t.Helper()
	name := filepath.Join(w.Dir, path)
	temp := name + ".tmp"
	w.puts++
	when := time.Unix(1_700_000_000+int64(w.puts), 0)
	for _, err := range []error{
		os.MkdirAll(filepath.Dir(name), 0o755),
		os.WriteFile(temp, data, 0o644), os.Chtimes(temp, when, when), os.Rename(temp, name),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}
