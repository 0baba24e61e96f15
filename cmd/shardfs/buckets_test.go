package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/aistore"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// schemes are those of stores that can be written.
var schemes = []string{"s3", "gs", "az", "swift", "ais"}

// bucket is a server of objects, with the bucket "bucket".
type bucket struct {
	objects
	scheme string
	url    string   // of the server
	env    []string // by which shardfs finds it
}

// objects are those of a server. List has OBJECT#..., too, for each upload that has not ended, where the next writer of the
// object has to remove that.
type objects interface {
	Get(t testing.TB, bucket, object string) []byte
	Remove(t testing.TB, bucket, object string)
	List(t testing.TB, bucket string) []string
}

// newBucket starts the server of a scheme, or skips the test.
func newBucket(t testing.TB, scheme string) *bucket {
	t.Helper()
	switch scheme {
	case "s3":
		s := servers.Versitygw(t)
		s.Bucket(t, "bucket")
		return &bucket{s, scheme, s.URL, s.Env()}
	case "gs":
		s := servers.FakeGCS(t)
		s.Bucket(t, "bucket")
		return &bucket{s, scheme, s.URL, s.Env()}
	case "az":
		s := servers.Azurite(t)
		s.Container(t, "bucket", false)
		return &bucket{s, scheme, s.URL, s.Env()}
	case "swift":
		s := servers.Swift(t)
		s.Container(t, "bucket")
		return &bucket{s, scheme, s.URL, s.Env()}
	case "ais":
		c := aistore.New(t)
		c.Bucket("", "bucket")
		return &bucket{cluster{c}, scheme, c.URL, []string{"AIS_ENDPOINT=" + c.URL}}
	}
	t.Fatalf("no server for %s", scheme)
	return nil
}

// behind returns the bucket as it is reached through a proxy.
func (b *bucket) behind(proxy string) *bucket {
	through := *b
	through.url, through.env = proxy, slices.Clone(b.env)
	for i := range through.env {
		through.env[i] = strings.ReplaceAll(through.env[i], b.url, proxy)
	}
	return &through
}

// cluster has the objects of AIStore, whose API does not list uploads.
type cluster struct{ *aistore.Cluster }

func (c cluster) Get(_ testing.TB, bucket, object string) []byte {
	return c.Cluster.Get("", bucket, object)
}

func (c cluster) Remove(_ testing.TB, bucket, object string) { c.Put("", bucket, object, nil) }

func (c cluster) List(_ testing.TB, bucket string) []string {
	return slices.DeleteFunc(c.Names("", bucket), func(name string) bool { return strings.Contains(name, "#") })
}
