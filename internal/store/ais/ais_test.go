package ais

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/aistore"
	"github.com/shardfs/shardfs/internal/testing/faultproxy"
	"github.com/shardfs/shardfs/internal/testing/remotetest"
)

// open returns the store of a cluster. Lines are like NAME=VALUE.
func open(t *testing.T, c *aistore.Cluster, lines ...string) *remote.Store {
	e := remote.NewEngine(remote.Options{Budget: 3 * time.Second, FirstPause: 10 * time.Millisecond,
		MostPause: 50 * time.Millisecond, Pace: time.Millisecond})
	t.Cleanup(e.Close)
	return remote.New(e, New(storetest.Getenv(append(lines, "AIS_ENDPOINT="+c.URL+"/")...)))
}

const size = 3 << 20

func TestStore(t *testing.T) {
	place := func(t *testing.T) storetest.Harness {
		c := aistore.New(t)
		c.Bucket("", "b")
		prefix := "ais://b/d/"
		put := func(t *testing.T, name string, data []byte) {
			c.Put("", "b", "d/"+strings.TrimPrefix(name, prefix), data)
		}
		return storetest.Harness{Store: open(t, c), Prefix: prefix, Put: put, Missing: "ais://none/",
			Names:  []string{" ", "?a#b", "a//b"},
			Remove: func(t *testing.T, name string) { put(t, name, nil) }}
	}
	storetest.Run(t, place)
	t.Run("overwrite", func(t *testing.T) { storetest.Overwrite(t, place) })
}

// Objects are written as the contract of stores has it.
func TestWrite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		c := aistore.New(t)
		c.Bucket("", "b")
		st := remote.New(remotetest.Patient(t), New(storetest.Getenv("AIS_ENDPOINT="+c.URL)))
		return storetest.Harness{Store: st, Prefix: "ais://b/d/", Missing: "ais://none/", Races: true, Apart: true,
			Names:  []string{" ", "?a#b", "a//b"},
			Remove: func(t *testing.T, name string) { c.Put("", "b", strings.TrimPrefix(name, "ais://b/"), nil) },
			List: func() (names []string) {
				for _, name := range c.Names("", "b") {
					names = append(names, "ais://b/"+name)
				}
				return names
			}}
	})
}

// Whatever happens to a request, an object is whole or as it was before. Uploads may be left, which no one can list.
func TestWriteFaults(t *testing.T) {
	broken := func(t *testing.T, budget, silence time.Duration) storetest.Faulty {
		c := aistore.New(t)
		c.Bucket("", "b")
		proxy := faultproxy.New(t, c.URL)
		st := remote.New(remotetest.Quick(t, budget, silence), New(storetest.Getenv("AIS_ENDPOINT="+proxy.URL)))
		list := func() []string { return nil }
		return storetest.Faulty{Harness: storetest.Harness{Store: st, Prefix: "ais://b/", List: list}, Proxy: proxy,
			Direct: remote.New(remotetest.Patient(t), New(storetest.Getenv("AIS_ENDPOINT="+c.URL)))}
	}
	t.Run("one", func(t *testing.T) { storetest.Faults(t, broken) })
	t.Run("gone", func(t *testing.T) { storetest.Broken(t, broken) })
}

func TestNames(t *testing.T) {
	c := aistore.New(t)
	for _, namespace := range []string{"", "#ns", "@cluster", "@cluster#ns"} {
		c.Bucket(namespace, "b")
		root := "ais://"
		if namespace != "" {
			root += namespace + "/"
		}
		data := storetest.Noise(1000, byte(len(namespace)))
		c.Put(namespace, "b", "d/a.tar", data)
		o, err := open(t, c).Open(t.Context(), root+"b/d/a.tar")
		storetest.Check(t, err)
		if got, err := storetest.Read(t, o, 0); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%sb: %d bytes, %v", root, len(got), err)
		}
	}
	for _, name := range []string{"ais://b", "ais://b/", "ais:///a", "ais://@x", "ais://../a", "ais://b/d/../e",
		"ais://b?x/a", "ais://b/a\x00"} {
		if _, err := open(t, c).Open(t.Context(), name); !errors.Is(err, errName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for endpoint, want := range map[string]string{"": "AIS_ENDPOINT is not set", "ftp://h": "AIS_ENDPOINT is malformed",
		"http://": "AIS_ENDPOINT is malformed", "u:p@h": "AIS_ENDPOINT is malformed"} {
		_, err := New(storetest.Getenv("AIS_ENDPOINT="+endpoint)).Locate(t.Context(), "ais://b/a")
		if !errors.Is(err, store.ErrName) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("endpoint %q: %v", endpoint, err)
		}
	}
}

func TestList(t *testing.T) {
	c := aistore.New(t)
	c.Bucket("", "b")
	c.Bucket("@c", "b")
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprintf("train/%02d é.tar", i), fmt.Sprintf("val-%02d.tar", i))
	}
	for i, object := range all {
		c.Put("", "b", object, storetest.Noise(i, 1))
		c.Put("@c", "b", object, storetest.Noise(i, 1))
	}
	slices.Sort(all)
	for _, root := range []string{"ais://b/", "ais://@c/b/"} {
		for _, prefix := range []string{"", "train/", "val-0", "none", "val-03.tar"} {
			var got, want []string
			for _, object := range all {
				if strings.HasPrefix(object, prefix) {
					want = append(want, root+object)
				}
			}
			for e, err := range open(t, c).List(t.Context(), root+prefix) {
				storetest.Check(t, err)
				got = append(got, e.Name)
				if info, err := open(t, c).Stat(t.Context(), e.Name); err != nil || info.Size != e.Size {
					t.Errorf("%+v, Stat %+v, %v", e, info, err)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s%s: %q, want %q", root, prefix, got, want)
			}
		}
	}
}

// The proxy is asked once for an object, until the target does not have it any more.
func TestRequests(t *testing.T) {
	c := aistore.New(t)
	c.Bucket("", "b")
	data := storetest.Noise(size, 1)
	c.Put("", "b", "a.tar", data)
	o, err := open(t, c).Open(t.Context(), "ais://b/a.tar")
	storetest.Check(t, err)
	const proxy, target = "proxy /v1/objects/b/a.tar", "target /v1/objects/b/a.tar"
	get := func(off int64) {
		t.Helper()
		p := make([]byte, 10)
		if n, err := o.ReadAt(t.Context(), p, off); err != nil || !bytes.Equal(p[:n], data[off:off+10]) {
			t.Errorf("%d bytes at %d, %v", n, off, err)
		}
	}
	get(size - 10)
	if got, want := c.Requests(), []string{proxy, target, target}; !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
	c.Rebalance()
	get(2 << 20)
	get(1 << 20)
	if got, want := c.Requests(), []string{target, proxy, target, target}; !slices.Equal(got, want) {
		t.Errorf("requests after the object has moved %q, want %q", got, want)
	}
}

// Without conditions, each answer tells whether the object has changed; and where there is no checksum, that the number of
// a version began anew is noticed by the size only.
func TestOverwritten(t *testing.T) {
	for _, bare := range []bool{false, true} {
		for name, change := range map[string]func(c *aistore.Cluster){
			"overwritten": func(c *aistore.Cluster) { c.Put("", "b", "a.tar", storetest.Noise(size, 2)) },
			"deleted":     func(c *aistore.Cluster) { c.Put("", "b", "a.tar", nil) },
			"made anew": func(c *aistore.Cluster) {
				c.Put("", "b", "a.tar", nil)
				c.Put("", "b", "a.tar", storetest.Noise(size+1, 2))
			},
		} {
			c := aistore.New(t)
			if bare {
				c.Bare()
			}
			c.Bucket("", "b")
			c.Put("", "b", "a.tar", storetest.Noise(size, 1))
			o, err := open(t, c).Open(t.Context(), "ais://b/a.tar")
			storetest.Check(t, err)
			change(c)
			if got, err := storetest.Read(t, o, 1<<20); len(got) > 0 || !errors.Is(err, store.ErrChanged) {
				t.Errorf("%s, without checksums %v: %d bytes, %v", name, bare, len(got), err)
			}
		}
	}
}

// The token is found where AIStore's tools find it, replaced when it is refused, and no target gets it.
func TestToken(t *testing.T) {
	c := aistore.New(t)
	c.Bucket("", "b")
	c.Put("", "b", "a.tar", storetest.Noise(size, 1))
	c.Guard("good")
	home := t.TempDir()
	cli := filepath.Join(home, ".config/ais/cli/auth.token")
	storetest.Check(t, os.MkdirAll(filepath.Dir(cli), 0o700))
	storetest.Check(t, os.WriteFile(cli, []byte(`{"token": "good"}`), 0o600))
	other := filepath.Join(home, "other")
	storetest.Check(t, os.WriteFile(other, []byte(`{"token": "bad"}`), 0o600))
	for _, tt := range []struct {
		env  string
		want error
	}{
		{"", fs.ErrPermission},
		{"HOME=" + home, nil},
		{"AIS_AUTHN_TOKEN=good", nil},
		{"AIS_AUTHN_TOKEN=bad HOME=" + home, fs.ErrPermission},
		{"AIS_AUTHN_TOKEN_FILE=" + cli, nil},
		{"HOME=" + home + " AIS_AUTHN_TOKEN_FILE=" + other, fs.ErrPermission},
		{"HOME=" + home + " AIS_AUTHN_TOKEN_FILE=" + home + "/none", fs.ErrPermission},
	} {
		_, err := open(t, c, strings.Fields(tt.env)...).Open(t.Context(), "ais://b/a.tar")
		if !errors.Is(err, tt.want) || err != nil && strings.Contains(err.Error(), "bad") {
			t.Errorf("%s: %v", tt.env, err)
		}
		var hinted interface{ Hint() string }
		if tt.want == fs.ErrPermission {
			said := err.Error()
			if errors.As(err, &hinted) {
				said += hinted.Hint()
			}
			if errors.Is(err, fs.ErrNotExist) || !strings.Contains(said, "AIS_AUTHN_TOKEN") {
				t.Errorf("%s: %v does not say where the token is from", tt.env, err)
			}
		}
	}
	s := open(t, c, "AIS_AUTHN_TOKEN_FILE="+other)
	if _, err := s.Open(t.Context(), "ais://b/a.tar"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a bad token: %v", err)
	}
	storetest.Check(t, os.WriteFile(other, []byte(`{"token": "good"}`), 0o600))
	if _, err := s.Open(t.Context(), "ais://b/a.tar"); err != nil {
		t.Errorf("a token that was replaced: %v", err)
	}
}

func TestPin(t *testing.T) {
	for _, tt := range []struct {
		header, want string
		strong       bool
	}{
		{"Etag: \"e\"", `"e"`, true},
		{"Ais-Version: 3", "version=3", false},
		{"Ais-Version: 3, Ais-Checksum-Type: xxhash2, Ais-Checksum-Value: 9f", "version=3 xxhash2=9f", true},
		{"", "", false},
	} {
		h := http.Header{}
		for pair := range strings.SplitSeq(tt.header, ", ") {
			if name, value, ok := strings.Cut(pair, ": "); ok {
				h.Set(name, value)
			}
		}
		if p := pin(h); string(p.Version) != tt.want || p.Strong != tt.strong || p.Header != nil {
			t.Errorf("%s: %+v", tt.header, p)
		}
	}
}
