package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// otherClient is a program that lists and downloads objects. In command lines FROM is an object, IN its bucket, and TO a file.
type otherClient struct {
	name           string
	list, download string
	env            []string
}

// Objects of one part and of several are what they are for the stores' own clients and others.
func TestOtherClients(t *testing.T) {
	if !servers.Slow() {
		skip.Without(t, "the clients that make test-stores runs")
	}
	for _, scheme := range []string{"s3", "gs", "az", "swift"} {
		t.Run(scheme, func(t *testing.T) {
			b := newBucket(t, scheme)
			dir := t.TempDir()
			want := map[string][]byte{
				"parts.tar": largeShard(t, filepath.Join(dir, "parts.tar"), "k", 40),
				"one.tar":   largeShard(t, filepath.Join(dir, "one.tar"), "k", 1),
			}
			for name := range want {
				cmd := shell(dir, b.env)("pack -q " + name + " -o " + scheme + "://bucket/out/" + name)
				if said, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, said)
				}
			}
			for _, c := range b.clients() {
				t.Run(c.name, func(t *testing.T) {
					program := servers.Find(t, c.name)
					for name, content := range want {
						if list := string(c.run(t, program, c.list, name, "")); !strings.Contains(list, "out/"+name) {
							t.Errorf("%s is not listed: %s", name, list)
						}
						file := filepath.Join(t.TempDir(), name)
						c.run(t, program, c.download, name, file)
						got, err := os.ReadFile(file)
						if shardtest.Check(t, err); !bytes.Equal(got, content) {
							t.Errorf("%s has %d bytes of %d, or others", name, len(got), len(content))
						}
					}
				})
			}
		})
	}
}

// run runs the client, and returns what it prints.
func (c otherClient) run(t *testing.T, program, line, name, file string) []byte {
	t.Helper()
	args := strings.Fields(line)
	for i := range args {
		args[i] = strings.NewReplacer("FROM", "bucket/out/"+name, "IN", "bucket", "NAME", "out/"+name, "TO", file).
			Replace(args[i])
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(append(os.Environ(), "HOME="+t.TempDir()), c.env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s%s", c.name, strings.Join(args, " "), err, out, &said)
	}
	return out
}

// clients returns the clients of a bucket.
func (b *bucket) clients() []otherClient {
	rclone := otherClient{name: "rclone", list: "lsf -R r:IN", download: "copyto r:FROM TO"}
	remote := func(options ...string) otherClient {
		for _, o := range options {
			rclone.env = append(rclone.env, "RCLONE_CONFIG_R_"+o)
		}
		return rclone
	}
	host := strings.TrimPrefix(b.url, "http://")
	switch b.scheme {
	case "s3":
		return []otherClient{
			remote("TYPE=s3", "PROVIDER=Other", "ACCESS_KEY_ID="+servers.Access, "SECRET_ACCESS_KEY="+servers.Secret,
				"ENDPOINT="+b.url, "REGION="+servers.Region),
			{"aws", "--endpoint-url " + b.url + " s3 ls --recursive s3://IN", "--endpoint-url " + b.url +
				" s3 cp s3://FROM TO", b.env},
			{"s3cmd", s3cmd(host) + " ls --recursive s3://IN", s3cmd(host) + " get s3://FROM TO", nil},
		}
	case "gs":
		return []otherClient{remote("TYPE=google cloud storage", "ANONYMOUS=true", "ENDPOINT="+b.url+"/storage/v1/")}
	case "az":
		return []otherClient{remote("TYPE=azureblob", "ACCOUNT="+servers.AzureAccount, "KEY="+servers.AzureKey,
			"ENDPOINT="+b.url+"/"+servers.AzureAccount)}
	}
	login := b.url + "/auth/v1.0"
	return []otherClient{
		remote("TYPE=swift", "USER=test:tester", "KEY="+servers.Secret, "AUTH="+login),
		{"swift", "list IN", "download IN NAME -o TO", b.env},
	}
}

// s3cmd returns the options by which s3cmd finds a server.
func s3cmd(host string) string {
	return "--no-ssl --host " + host + " --host-bucket " + host + " --region " + servers.Region +
		" --access_key " + servers.Access + " --secret_key " + servers.Secret
}
