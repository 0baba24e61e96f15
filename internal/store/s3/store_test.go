package s3

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// swift starts OpenStack Swift, which serves S3, too.
func swift(t testing.TB) *servers.S3 { return servers.Swift(t).S3() }

// Objects of S3 servers are read as the contract of stores has it, also while they are replaced.
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
				return storetest.Harness{Store: st, Prefix: prefix + "d /", Mixes: name != "minio" && name != "swift",
					Put: func(t *testing.T, name string, data []byte) {
						server.Put(t, bucket, strings.TrimPrefix(name, prefix), data)
					}}
			}
			storetest.Run(t, open)
			t.Run("overwrite", func(t *testing.T) { storetest.Overwrite(t, open) })
		})
	}
}
