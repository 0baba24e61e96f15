package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/shardfs/shardfs/internal/testing/servers"
)

// cloudKey is the key of a story's server of objects.
type cloudKey struct{}

// cloud is a server of objects.
type cloud struct {
	t   testing.TB
	put func(t testing.TB, place, name string, data []byte) // nil before it is started
	get func(t testing.TB, place, name string) []byte
}

// upload puts the files of a directory into the bucket or container "bucket" of fake-gcs-server, Azurite or versitygw, which
// it starts at first, setting the variables by which shardfs finds it. The story is skipped where there is no such server:
//
//	upload gs DIR
//	exec shardfs ls gs://bucket/in.tar
func upload(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: upload gs|az|s3 DIR")
	}
	c := ts.Value(cloudKey{}).(*cloud)
	if c.put == nil {
		var env []string
		switch args[0] {
		case "gs":
			s := servers.FakeGCS(c.t)
			s.Bucket(c.t, "bucket")
			env, c.put, c.get = s.Env(), s.Put, s.Get
		case "az":
			s := servers.Azurite(c.t)
			s.Container(c.t, "bucket", false)
			env, c.put, c.get = s.Env(), s.Put, s.Get
		case "s3":
			s := servers.Versitygw(c.t)
			s.Bucket(c.t, "bucket")
			env, c.put, c.get = s.Env(), s.Put, s.Get
		}
		for _, v := range env {
			name, value, _ := strings.Cut(v, "=")
			ts.Setenv(name, value)
		}
	}
	files, err := os.ReadDir(ts.MkAbs(args[1]))
	ts.Check(err)
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(ts.MkAbs(args[1]), f.Name()))
		ts.Check(err)
		c.put(c.t, "bucket", "d/"+f.Name(), data)
	}
}

// stored compares an object in the bucket of the server that upload has started with a file:
//
//	stored d/out.tar out.tar
func stored(ts *testscript.TestScript, neg bool, args []string) {
	c := ts.Value(cloudKey{}).(*cloud)
	if neg || len(args) != 2 || c.get == nil {
		ts.Fatalf("usage: stored OBJECT FILE, after upload")
	}
	want, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := c.get(c.t, "bucket", args[0]); !bytes.Equal(got, want) {
		ts.Fatalf("%s has %d bytes, other than the %d of %s", args[0], len(got), len(want), args[1])
	}
}

// download writes an object in the bucket of the server that upload has started to a file:
//
//	download r/run.jsonl run.jsonl
func download(ts *testscript.TestScript, neg bool, args []string) {
	c := ts.Value(cloudKey{}).(*cloud)
	if neg || len(args) != 2 || c.get == nil {
		ts.Fatalf("usage: download OBJECT FILE, after upload")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), c.get(c.t, "bucket", args[0]), 0o666))
}
