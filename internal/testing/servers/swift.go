package servers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// The user of Swift, whose key is Secret.
const swiftUser = "test:tester"

// SwiftServer is OpenStack Swift with one disk, which serves its own protocol and S3.
type SwiftServer struct {
	*Server
	account string // URL
	cache   string // address
}

// Swift starts OpenStack Swift with its own logins (tempauth), which are kept by memcached.
func Swift(t testing.TB) *SwiftServer {
	t.Helper()
	slow(t, "OpenStack Swift")
	dir := dirs(t, "disks/d1")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	python := interpreter(t, Find(t, "swift-proxy-server"))
	write(t, filepath.Join(dir, "swift.conf"), "[swift-hash]\nswift_hash_path_suffix = shardfs\n"+
		"[storage-policy:0]\nname = one\ndefault = yes\n")
	cache := command{program: "memcached", dir: dir, ready: connects, args: func(port string) []string {
		return []string{"-u", me.Username, "-l", "127.0.0.1", "-p", port, "-U", "0"}
	}}.start(t)
	common := fmt.Sprintf("[DEFAULT]\nswift_dir = %s\ndevices = %s/disks\nmount_check = false\n"+
		"disable_fallocate = true\nworkers = 0\nuser = %s\nlog_level = ERROR\nbind_ip = 127.0.0.1\nbind_port = ",
		dir, dir, me.Username)
	rings := "from swift.common.ring import RingBuilder\n"
	for _, kind := range []string{"account", "container", "object"} {
		s := command{program: "swift-" + kind + "-server", dir: dir, args: func(port string) []string {
			conf := filepath.Join(dir, kind+".conf")
			app := kind + "-server" // the program looks for this name
			write(t, conf, common+port+"\n[pipeline:main]\npipeline = "+app+
				"\n[app:"+app+"]\nuse = egg:swift#"+kind+"\n")
			return []string{conf}
		}}.start(t)
		_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
		rings += fmt.Sprintf("b = RingBuilder(1, 1, 0)\n"+
			"b.add_dev({'region': 1, 'zone': 1, 'weight': 1, 'ip': '127.0.0.1', 'port': %s, 'device': 'd1'})\n"+
			"b.rebalance()\nb.get_ring().save(%q)\n", port, filepath.Join(dir, kind+".ring.gz"))
	}
	if text, err := exec.Command(python, "-c", rings).CombinedOutput(); err != nil {
		t.Fatalf("the rings of Swift: %v: %s", err, text)
	}
	proxy := command{program: "swift-proxy-server", dir: dir, args: func(port string) []string {
		conf := filepath.Join(dir, "proxy.conf")
		write(t, conf, common+port+"\n"+proxyPipeline(strings.TrimPrefix(cache.URL, "http://")))
		return []string{conf}
	}}.start(t)
	return &SwiftServer{proxy, proxy.URL + "/v1/AUTH_test", strings.TrimPrefix(cache.URL, "http://")}
}

// proxyPipeline returns the filters of the proxy server, and how they are configured.
func proxyPipeline(cache string) string {
	filters := []string{"catch_errors", "gatekeeper", "cache", "listing_formats", "bulk", "tempurl", "s3api",
		"tempauth", "copy", "slo", "dlo"}
	options := map[string]string{
		"cache":    "memcache_servers = " + cache + "\n",
		"s3api":    "location = " + Region + "\n",
		"tempauth": "user_" + strings.ReplaceAll(swiftUser, ":", "_") + " = " + Secret + " .admin\n",
		"slo":      "min_segment_size = 1\n",
	}
	text := "[pipeline:main]\npipeline = " + strings.Join(filters, " ") + " proxy-server\n" +
		"[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
	for _, name := range filters {
		egg := name
		if name == "cache" {
			egg = "memcache"
		}
		text += "[filter:" + name + "]\nuse = egg:swift#" + egg + "\n" + options[name]
	}
	return text
}

// interpreter returns the Python that runs a program, which is the one that has its libraries.
func interpreter(t testing.TB, program string) string {
	t.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	path, ok := strings.CutPrefix(line, "#!")
	if !ok {
		t.Fatalf("%s does not say what runs it", program)
	}
	return strings.Fields(path)[0]
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Env returns the environment by which tools and shardfs find the account.
func (s *SwiftServer) Env() []string {
	return []string{"ST_AUTH=" + s.URL + "/auth/v1.0", "ST_USER=" + swiftUser, "ST_KEY=" + Secret}
}

// S3 returns the server of the S3 protocol, for the same account.
func (s *SwiftServer) S3() *S3 { return &S3{s.Server, swiftUser, Secret} }

// Container makes a container.
func (s *SwiftServer) Container(t testing.TB, name string) {
	s.Do(t, http.MethodPut, name, "", nil, nil)
}

// Put makes or replaces an object of a container.
func (s *SwiftServer) Put(t testing.TB, container, object string, data []byte) {
	t.Helper()
	s.Do(t, http.MethodPut, container, object, nil, data)
}

// Get returns the bytes of an object, as another client than shardfs gets them.
func (s *SwiftServer) Get(t testing.TB, container, object string) []byte {
	t.Helper()
	return s.Do(t, http.MethodGet, container, object, nil, nil)
}

// Remove removes an object.
func (s *SwiftServer) Remove(t testing.TB, container, object string) {
	t.Helper()
	s.Do(t, http.MethodDelete, container, object, nil, nil)
}

// List returns the names of all objects of a container.
func (s *SwiftServer) List(t testing.TB, container string) (names []string) {
	t.Helper()
	var page []struct{ Name string }
	if err := json.Unmarshal(s.Do(t, http.MethodGet, container, "?format=json", nil, nil), &page); err != nil {
		t.Fatal(err)
	}
	for _, o := range page {
		names = append(names, o.Name)
	}
	return names
}

// Do sends a request about an object, or about a container if object is empty, and returns what is answered. An object may
// have a query. An answer that is no success ends the test.
func (s *SwiftServer) Do(t testing.TB, method, container, object string, header http.Header, body []byte) []byte {
	t.Helper()
	object, query, _ := strings.Cut(object, "?")
	u, err := url.Parse(s.account)
	if err != nil {
		t.Fatal(err)
	}
	u.Path += "/" + container
	if u.RawQuery = query; object != "" {
		u.Path += "/" + object
	}
	var answer *http.Response
	var text []byte
	for range tries { // on a busy machine, Swift takes its own servers for ones that are gone
		answer = send(t, method, u.String(), header, s.token(t), body)
		text, err = io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusServiceUnavailable {
			break
		}
	}
	if err != nil || answer.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s, %v", method, u.Path, answer.Status, text, err)
	}
	return text
}

func (s *SwiftServer) token(t testing.TB) http.Header {
	t.Helper()
	answer := send(t, http.MethodGet, s.URL+"/auth/v1.0", nil,
		http.Header{"X-Auth-User": {swiftUser}, "X-Auth-Key": {Secret}}, nil)
	answer.Body.Close()
	return http.Header{"X-Auth-Token": answer.Header["X-Auth-Token"]}
}

// send sends a request with two sets of headers.
func send(t testing.TB, method, url string, header, more http.Header, body []byte) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []http.Header{header, more} {
		for name, values := range h {
			r.Header[name] = values
		}
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// Forget makes all tokens invalid, as if they had expired.
func (s *SwiftServer) Forget(t testing.TB) {
	t.Helper()
	c, err := net.Dial("tcp", s.cache)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "flush_all\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(io.LimitReader(c, 4)); string(answer) != "OK\r\n" {
		t.Fatalf("memcached: %q, %v", answer, err)
	}
}
