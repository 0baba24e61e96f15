package main

import (
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

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/shardfs/shardfs/internal/testing/relay"
)

// Credentials and region of the bench's object store.
const (
	s3Access = "AKIDOFTHEBENCH"
	s3Secret = "secretofthebench"
	s3Region = "us-east-1"
)

// An objectStore is versitygw, which keeps the objects of one bucket as files, and the way to it.
type objectStore struct {
	dir   string       // the bucket's objects as files
	addr  string       // host and port for clients
	relay *relay.Relay // nil if clients connect to the server itself
	log   string       // a line for each request
}

// slowStore, countedStore and fastStore are the networks to an object store: that of most measures, one without delay
// and limits whose bytes are counted, and loopback itself.
var (
	slowStore    = &relay.Options{RTT: roundTrip, Line: lineRate, Conn: connRate}
	countedStore = &relay.Options{}
	fastStore    *relay.Options
)

// serveObjects starts an object store with an empty bucket, behind a relay unless its options are nil. Both end with the
// plan, and the objects are removed.
func (b *bench) serveObjects(ctx context.Context, p *plan, way *relay.Options) (*objectStore, error) {
	program, err := lookPath("versitygw")
	if err != nil {
		return nil, err
	}
	top := b.path("versitygw")
	s := &objectStore{dir: filepath.Join(top, "objects", "bench"), log: filepath.Join(top, "access.log")}
	if err := errors.Join(os.RemoveAll(top), os.MkdirAll(s.dir, 0o755)); err != nil {
		return nil, err
	}
	p.later(func() error { return os.RemoveAll(top) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.addr = ln.Addr().String()
	ln.Close()
	cmd := exec.Command(program, "--keep-alive", "--quiet", "--port", s.addr, "--access", s3Access,
		"--secret", s3Secret, "--region", s3Region, "--access-log", s.log, "posix", filepath.Dir(s.dir))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.later(func() error {
		err := cmd.Process.Kill()
		cmd.Wait() // says that it was killed
		return err
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		answer, err := http.Get("http://" + s.addr)
		if err == nil {
			answer.Body.Close()
			break
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("versitygw does not answer: %w", err), ctx.Err())
		}
	}
	if way == nil {
		return s, nil
	}
	if s.relay, err = relay.Listen(s.addr, *way); err != nil {
		return nil, err
	}
	p.later(s.relay.Close)
	s.addr = s.relay.Addr()
	return s, nil
}

// uri returns the name of an object, and path its file.
func (s *objectStore) uri(key string) string  { return "s3://bench/" + key }
func (s *objectStore) path(key string) string { return filepath.Join(s.dir, key) }

// client returns a command line that finds the store.
func (s *objectStore) client(argv ...string) []string {
	return append([]string{"env", "AWS_ENDPOINT_URL_S3=http://" + s.addr, "AWS_ACCESS_KEY_ID=" + s3Access,
		"AWS_SECRET_ACCESS_KEY=" + s3Secret, "AWS_REGION=" + s3Region}, argv...)
}

// command returns a trial of a client of the store.
func (s *objectStore) command(f *figure, argv ...string) *trial {
	t := command(f, s.client(argv...)...)
	t.command = quote(argv)
	return t
}

// splitInto packs a local shard into several with so many samples each: objects of a store, or local files if s is nil.
func (b *bench) splitInto(
	ctx context.Context, s *objectStore, name string, samples int, out string, flags ...string,
) error {
	argv := append([]string{b.shardfs, "pack", name, "--split-count", fmt.Sprint(samples), "-o", out}, flags...)
	if s != nil {
		argv = s.client(argv...)
	}
	_, _, err := execute(ctx, "", argv...)
	return err
}

// requests returns the number of requests since the server was started.
func (s *objectStore) requests() (int, error) {
	text, err := os.ReadFile(s.log)
	return strings.Count(string(text), "\n"), err
}

// send sends a signed request and returns the answer, which must be a success.
func (s *objectStore) send(
	ctx context.Context, client *http.Client, method, key, query string, body io.Reader, size int64,
) (header http.Header, text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+"/bench/"+key+"?"+query, body)
	if err != nil {
		return nil, nil, err
	}
	const payload = "UNSIGNED-PAYLOAD"
	request.ContentLength = size
	request.Header.Set("X-Amz-Content-Sha256", payload)
	credentials := aws.Credentials{AccessKeyID: s3Access, SecretAccessKey: s3Secret}
	signer := v4.NewSigner()
	if err := signer.SignHTTP(ctx, credentials, request, payload, "s3", s3Region, time.Now()); err != nil {
		return nil, nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, key, answer.Status, text)
	}
	return answer.Header, text, err
}
