package az_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store/az"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
	"github.com/shardfs/shardfs/internal/testing/servers"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// open returns the store of a server.
func open(t *testing.T, env []string) *remote.Store {
	t.Helper()
	return remote.New(remotetest.Patient(t), &az.Service{Getenv: storetest.Getenv(env...)})
}

// Azurite takes seconds to start.
func TestAzurite(t *testing.T) {
	s := servers.Azurite(t)
	for name, test := range map[string]func(t *testing.T, s *servers.Azure){
		"store": testStore, "write": testWrite, "faults of writes": testWriteFaults, "refused": testRefused,
		"resumed": testResumed, "foreign blocks": testForeignBlocks, "anonymous": testAnonymous,
		"signature": testSignature,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func testStore(t *testing.T, s *servers.Azure) {
	st := open(t, s.Env())
	place := func(t *testing.T) storetest.Harness {
		bucket := storetest.BucketName(t)
		s.Container(t, bucket, false)
		root := "az://" + bucket + "/"
		return storetest.Harness{Store: st, Prefix: root + "d/", Missing: "az://no-such-container/d/",
			Names: []string{"a//b"},
			Put: func(t *testing.T, name string, data []byte) {
				s.Put(t, bucket, strings.TrimPrefix(name, root), data)
			},
			Remove: func(t *testing.T, name string) { s.Remove(t, bucket, strings.TrimPrefix(name, root)) }}
	}
	storetest.Run(t, place)
	t.Run("overwrite", func(t *testing.T) { storetest.Overwrite(t, place) })
}

// Blobs of public containers are read without credentials, and others are not.
func testAnonymous(t *testing.T, s *servers.Azure) {
	s.Container(t, "public", true)
	s.Container(t, "private", false)
	for _, container := range []string{"public", "private"} {
		s.Put(t, container, "a", storetest.Noise(1000, 1))
	}
	t.Setenv("PATH", t.TempDir()) // there is neither az nor azd
	for _, more := range []string{"", "AZURE_NO_SIGN_REQUEST=YES", "AZURE_SKIP_SIGNATURE=true",
		"AZURE_STORAGE_ANON=True"} {
		begin := time.Now()
		st := open(t, []string{"AZURE_STORAGE_BLOB_ENDPOINT=" + s.Endpoint(), more})
		o, err := st.Open(t.Context(), "az://public/a")
		if err != nil {
			t.Fatalf("%s: %v", more, err)
		}
		if got, err := storetest.Read(t, o, 0); err != nil || !bytes.Equal(got, storetest.Noise(1000, 1)) {
			t.Errorf("%s: other bytes", more)
		}
		o.Close()
		_, err = st.Open(t.Context(), "az://private/a")
		t.Logf("%q: %v: %v", more, time.Since(begin), err)
		if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a private container: %v", more, err)
		}
	}
}

// A shared access signature that ends while a blob is read ends the reading, with a word about it.
func testSignature(t *testing.T, s *servers.Azure) {
	s.Container(t, "signature", false)
	data := storetest.Noise(3<<20, 1)
	s.Put(t, "signature", "a", data)
	end := time.Now().Add(3 * time.Second)
	signature := s.Signature("rl", end)
	st := open(t, []string{"AZURE_STORAGE_BLOB_ENDPOINT=" + s.Endpoint()})
	o, err := st.Open(t.Context(), "az://signature/a?"+signature)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	p := make([]byte, 1000)
	if _, err := o.ReadAt(t.Context(), p, 3<<20-1000); err != nil || !bytes.Equal(p, data[3<<20-1000:]) {
		t.Errorf("before the end: other bytes, or %v", err)
	}
	testtime.Eventually(t, "the end of the signature", func() bool { return time.Since(end) > time.Second })
	n, err := o.ReadAt(t.Context(), p, 2<<20)
	var hinted interface{ Hint() string }
	if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &hinted) ||
		!strings.Contains(hinted.Hint(), "signature is good until") ||
		strings.Contains(err.Error()+hinted.Hint(), "sig=") {
		t.Errorf("%d bytes, %v", n, err)
	}
	for e, err := range st.List(t.Context(), "az://signature/?"+s.Signature("rl", time.Now().Add(time.Hour))) {
		if err != nil || !strings.HasPrefix(e.Name, "az://signature/a?") {
			t.Errorf("%q, %v", e.Name, err)
		}
	}
}
