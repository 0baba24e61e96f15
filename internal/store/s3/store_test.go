package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// swift starts OpenStack Swift, which serves S3, too.
func swift(t testing.TB) *servers.S3 { return servers.Swift(t).S3() }

// Objects of S3 servers are read as the contract of stores has it, also while they are replaced. versitygw reads the ETag
// before it opens the file that it sends.
func TestStore(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *servers.S3{"versitygw": servers.Versitygw,
		"rclone": servers.Rclone, "minio": servers.MinIO, "swift": swift} {
		t.Run(name, func(t *testing.T) {
			server := start(t)
			environment(t, server.Env()...)
			e := remote.NewEngine(remote.Options{})
			t.Cleanup(e.Close)
			st := remote.New(e, &Service{})
			var buckets atomic.Int64
			open := func(t *testing.T) storetest.Harness {
				bucket := fmt.Sprintf("bucket%d", buckets.Add(1))
				server.Bucket(t, bucket)
				prefix := "s3://" + bucket + "/"
				return storetest.Harness{Store: st, Prefix: prefix + "d /", Mixes: name == "versitygw",
					Missing: "s3://no-such-bucket/d/", Names: []string{"a?b#c&d=e.tar"},
					Put: func(t *testing.T, name string, data []byte) {
						server.Put(t, bucket, strings.TrimPrefix(name, prefix), data)
					},
					Remove: func(t *testing.T, name string) {
						server.Remove(t, bucket, strings.TrimPrefix(name, prefix))
					}}
			}
			storetest.Run(t, open)
			if name == "rclone" {
				return // it sends bytes of both versions as the old one, and keeps to that for a while
			}
			t.Run("overwrite", func(t *testing.T) { storetest.Overwrite(t, open) })
		})
	}
}

// What is wrong with credentials is told with what to do, and no secret.
func TestRefused(t *testing.T) {
	server := servers.Versitygw(t)
	server.Bucket(t, "bucket")
	server.Put(t, "bucket", "a", []byte("hello"))
	for _, tt := range []struct{ variable, want, hint string }{
		{"AWS_SECRET_ACCESS_KEY=wrong/secret", "403 Forbidden (SignatureDoesNotMatch)", "the secret key is not that"},
		{"AWS_ACCESS_KEY_ID=SECRETID", "404 Not Found (XAdminUserNotFound)", "the access key is unknown"},
		{"AWS_NO_SIGN_REQUEST=YES", "403 Forbidden (AccessDenied)", "AWS_NO_SIGN_REQUEST is set"},
		{"AWS_ACCESS_KEY_ID=", "credentials: none", "AWS_NO_SIGN_REQUEST=YES reads public data"},
	} {
		environment(t, append(server.Env(), tt.variable)...)
		e := remote.NewEngine(remote.Options{})
		_, err := remote.New(e, &Service{Getenv: os.Getenv}).Open(t.Context(), "s3://bucket/a")
		var h interface{ Hint() string }
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), tt.want) || !errors.As(err, &h) ||
			!strings.Contains(h.Hint(), tt.hint) || strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("%s: %v, hint %v", tt.variable, err, h)
		}
		e.Close()
	}
}
