package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/faultproxy"
)

// A bucket that may be read and not written is 77, by the name of the output and with what is missing, whatever
// is done with bad shards; nothing is left. A run is told before its commands run, but by Azure when the output is sent.
func TestClosedBucket(t *testing.T) {
	for scheme, hint := range map[string]string{"s3": "s3:PutObject", "gs": "", "az": ""} {
		t.Run(scheme, func(t *testing.T) {
			b := newBucket(t, scheme)
			dir := t.TempDir()
			largeShard(t, filepath.Join(dir, "a.tar"), "a", 20)
			largeShard(t, filepath.Join(dir, "b.tar"), "bb", 1)
			proxy := faultproxy.New(t, b.url)
			proxy.Break(func(_ int, r *http.Request) faultproxy.Fault {
				if r.Method == http.MethodGet || r.Method == http.MethodHead {
					return faultproxy.None
				}
				return "403 AccessDenied"
			})
			run := shell(dir, b.behind(proxy.URL).env)
			out := scheme + "://bucket/"
			for _, line := range []string{"run --workspace dir --on-error skip a.tar b.tar -o " + out + "a-{name}.tar",
				"run --workspace dir b.tar -o " + out + "a-b.tar", "pack a.tar b.tar -o " + out + "a-.tar",
				"pack b.tar -o " + out + "a-b.tar"} {
				cmd := run(line)
				if strings.HasPrefix(line, "run") {
					cmd.Args = append(cmd.Args, "-c", "echo >$BASE/ran; echo >sample.new")
					cmd.Env = append(cmd.Env, "BASE="+dir)
				}
				said, _ := cmd.CombinedOutput()
				if status := cmd.ProcessState.ExitCode(); status != exitPermission ||
					!strings.HasPrefix(string(said), "shardfs: error: "+out+"a-") ||
					!strings.Contains(string(said), hint) || strings.Count(string(said), "error: ") != 1 {
					t.Errorf("%s: exit status %d: %s", line, status, said)
				}
			}
			proxy.Break(nil)
			if names := b.List(t, "bucket"); len(names) > 0 {
				t.Errorf("there is %q", names)
			}
			if _, err := os.Stat(filepath.Join(dir, "ran")); (err == nil) == (scheme != "az") {
				t.Errorf("commands that have run: %v", err)
			}
		})
	}
}
