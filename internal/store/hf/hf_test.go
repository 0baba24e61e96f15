package hf

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/hub"
)

// process returns the store as a new process has it. The environment has pairs of names and values.
func process(t *testing.T, h *hub.Hub, pairs ...string) *remote.Store {
	e := remote.NewEngine(remote.Options{Budget: 3 * time.Second, FirstPause: 10 * time.Millisecond,
		MostPause: 50 * time.Millisecond, Pace: time.Millisecond})
	t.Cleanup(e.Close)
	getenv := func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return map[string]string{"HF_ENDPOINT": h.URL + "/", "HOME": "/nowhere"}[name]
	}
	return remote.New(e, New(Options{Getenv: getenv, Do: e.Do}))
}

// everyOpenAnew is the store of a new process for each call, because a process sees one commit of a branch.
type everyOpenAnew struct {
	*remote.Store
	t *testing.T
	h *hub.Hub
}

func (s everyOpenAnew) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := process(s.t, s.h).Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return struct{ store.Object }{o}, nil // which does not ask for itself: that would be of the same commit
}

func (s everyOpenAnew) Stat(ctx context.Context, name string) (store.Info, error) {
	return process(s.t, s.h).Stat(ctx, name)
}

func TestStore(t *testing.T) {
	t.Run("data set", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) storetest.Harness {
			h := hub.New(t)
			files := map[string][]byte{"README.md": nil}
			h.Push("datasets/o/n", "main", files)
			prefix := "hf://datasets/o/n/d/"
			return storetest.Harness{Store: everyOpenAnew{process(t, h), t, h}, Prefix: prefix,
				Put: func(t *testing.T, name string, data []byte) {
					files["d/"+strings.TrimPrefix(name, prefix)] = data
					h.Push("datasets/o/n", "main", files)
				}}
		})
	})
	bucket := func(t *testing.T) storetest.Harness {
		h := hub.New(t)
		h.Put("buckets/o/n", "other", nil)
		prefix := "hf://buckets/o/n/d/"
		return storetest.Harness{Store: process(t, h), Prefix: prefix, Keeps: true,
			Put: func(t *testing.T, name string, data []byte) {
				h.Put("buckets/o/n", "d/"+strings.TrimPrefix(name, prefix), data)
			}}
	}
	t.Run("bucket", func(t *testing.T) { storetest.Run(t, bucket) })
	t.Run("overwrite", func(t *testing.T) { storetest.Overwrite(t, bucket) })
}

// reads fails the test if an object has other bytes.
func reads(t *testing.T, o store.Object, want []byte) {
	t.Helper()
	got, err := io.ReadAll(io.NewSectionReader(store.At(t.Context(), o), 0, o.Size()+1))
	storetest.Check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes, not the %d that were pushed", len(got), len(want))
	}
}

const size = 3 << 20

// A push changes nothing for a process that has asked for the branch: neither for what is open, nor for what it opens
// later. The next process sees it.
func TestPush(t *testing.T) {
	h := hub.New(t)
	a, b, c := storetest.Noise(size, 1), storetest.Noise(size, 2), storetest.Noise(size, 3)
	h.Push("datasets/o/n", "main", map[string][]byte{"a.tar": a, "b.tar": b, "gone.tar": c})
	p := process(t, h)
	o, err := p.Open(t.Context(), "hf://datasets/o/n/a.tar")
	storetest.Check(t, err)
	h.Push("datasets/o/n", "main", map[string][]byte{"a.tar": b, "b.tar": c})
	h.Expire()
	reads(t, o, a)
	storetest.Check(t, o.Unchanged(t.Context()))
	storetest.Check(t, store.WitnessOf(p, "hf://datasets/o/n/a.tar", o).Confirm(t.Context()))
	for name, want := range map[string][]byte{"b.tar": b, "gone.tar": c} {
		o, err := p.Open(t.Context(), "hf://datasets/o/n/"+name)
		storetest.Check(t, err)
		reads(t, o, want)
	}
	next, err := process(t, h).Open(t.Context(), "hf://datasets/o/n/a.tar")
	storetest.Check(t, err)
	reads(t, next, b)
	if next.Version() == o.Version() {
		t.Error("two contents have one version")
	}
	if _, err := process(t, h).Open(t.Context(), "hf://datasets/o/n/gone.tar"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that was removed: %v", err)
	}
}

// The version is that of the content: a push of another file leaves the index of this one good.
func TestVersion(t *testing.T) {
	h := hub.New(t)
	for _, data := range [][]byte{storetest.Noise(size, 1), storetest.Noise(10, 1)} {
		var versions []store.Version
		for _, other := range []string{"1", "2"} {
			h.Push("datasets/o/n", "main", map[string][]byte{"a.tar": data, "b": []byte(other)})
			p := process(t, h)
			o, err := p.Open(t.Context(), "hf://datasets/o/n/a.tar")
			storetest.Check(t, err)
			versions = append(versions, o.Version())
			for e, err := range p.List(t.Context(), "hf://datasets/o/n/a") {
				storetest.Check(t, err)
				if e.Version != o.Version() || e.Size != o.Size() {
					t.Errorf("the listing has %+v, the object version %s", e, o.Version())
				}
			}
		}
		if versions[0] != versions[1] || versions[0] == "" {
			t.Errorf("versions %q", versions)
		}
	}
}

// A process asks once which commit a branch is, however many shards it opens at a time, and the Hub once for the place of
// each large file, until the URL has expired.
func TestRequests(t *testing.T) {
	h := hub.New(t)
	data := storetest.Noise(size, 1)
	commit := h.Push("datasets/o/n", "main", map[string][]byte{"a.tar": data, "s.tar": data[:100]})
	p := process(t, h)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := p.Stat(t.Context(), "hf://datasets/o/n/a.tar"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	asked := 0
	for _, r := range h.Requests() {
		if r == "hub GET /api/datasets/o/n/revision/main" {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times for the commit", asked)
	}
	o, err := p.Open(t.Context(), "hf://datasets/o/n/a.tar")
	storetest.Check(t, err)
	blob := "cdn GET /" + string(o.Version())
	resolve := "hub GET /datasets/o/n/resolve/" + commit + "/a.tar"
	p1 := make([]byte, 10)
	read := func(off int64) {
		t.Helper()
		if n, err := o.ReadAt(t.Context(), p1, off); err != nil || !bytes.Equal(p1[:n], data[off:off+10]) {
			t.Errorf("%d bytes at %d, %v", n, off, err)
		}
	}
	read(2 << 20)
	read(1 << 20)
	if got, want := h.Requests(), []string{resolve, blob, blob, blob}; !slices.Equal(got, want) {
		t.Errorf("requests %q, want %q", got, want)
	}
	h.Expire()
	read(5 << 19)
	read(3 << 19)
	if got, want := h.Requests(), []string{blob, resolve, blob, blob}; !slices.Equal(got, want) {
		t.Errorf("requests after the URL has expired %q, want %q", got, want)
	}
	_, err = p.Open(t.Context(), "hf://datasets/o/n/s.tar")
	storetest.Check(t, err)
	if got, want := h.Requests(), []string{"hub GET /datasets/o/n/resolve/" + commit + "/s.tar",
		"hub GET /api/resolve-cache/datasets/o/n/" + commit + "/s.tar"}; !slices.Equal(got, want) {
		t.Errorf("requests for a small file %q, want %q", got, want)
	}
}

// All kinds of repositories and revisions are found, and names with odd characters.
func TestNames(t *testing.T) {
	h := hub.New(t)
	data := storetest.Noise(size, 1)
	const odd = "d é/a+b%20c?d#e&f=g.tar"
	commit := ""
	for _, repo := range []string{"datasets/o/n", "models/o/n", "spaces/o/n"} {
		for _, branch := range []string{"main", "v1.0", "refs/pr/1", "refs/convert/parquet", "feature/x"} {
			commit = h.Push(repo, branch, map[string][]byte{odd: data})
		}
		site := strings.TrimPrefix(repo, "models/")
		for _, revision := range []string{"", "@main", "@v1.0", "@refs/pr/1", "@refs%2Fpr%2F1",
			"@refs%2Fconvert%2Fparquet", "@feature%2Fx", "@" + commit} {
			o, err := process(t, h).Open(t.Context(), "hf://"+site+revision+"/"+odd)
			if err != nil {
				t.Errorf("%s%s: %v", site, revision, err)
				continue
			}
			reads(t, o, data)
		}
	}
	h.Put("buckets/o/n", odd, data)
	o, err := process(t, h).Open(t.Context(), "hf://buckets/o/n/"+odd)
	storetest.Check(t, err)
	reads(t, o, data)
}

// An object of a bucket that is overwritten has changed, also for reads with a URL from before.
func TestBucketChanges(t *testing.T) {
	h := hub.New(t)
	h.Put("buckets/o/n", "a.tar", storetest.Noise(size, 1))
	p := process(t, h)
	o, err := p.Open(t.Context(), "hf://buckets/o/n/a.tar")
	storetest.Check(t, err)
	h.Put("buckets/o/n", "a.tar", storetest.Noise(size, 2))
	if err := store.WitnessOf(p, "hf://buckets/o/n/a.tar", o).Confirm(t.Context()); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Confirm: %v", err)
	}
	if _, err := o.ReadAt(t.Context(), make([]byte, 10), 2<<20); !errors.Is(err, store.ErrChanged) {
		t.Errorf("ReadAt: %v", err)
	}
}

// Each way to be refused has its error, and a hint where there is a way out.
func TestRefusals(t *testing.T) {
	h := hub.New(t)
	h.Push("datasets/o/open", "main", map[string][]byte{"a.tar": storetest.Noise(size, 1)})
	h.Push("datasets/o/private", "main", map[string][]byte{"a.tar": storetest.Noise(size, 1)})
	h.Guard("datasets/o/private", "good", false)
	h.Push("datasets/o/gated", "main", map[string][]byte{"a.tar": storetest.Noise(size, 1)})
	h.Guard("datasets/o/gated", "good", true)
	for _, tt := range []struct {
		name, token string
		want        error
		hint        string
	}{
		{"hf://datasets/o/private/a.tar", "good", nil, ""},
		{"hf://datasets/o/private/a.tar", "", fs.ErrNotExist, "needs a token"},
		{"hf://datasets/o/private/a.tar", "of-another", fs.ErrNotExist, "the token does not allow"},
		{"hf://datasets/o/private/a.tar", "bad", fs.ErrPermission, "what hf auth login has saved"},
		{"hf://datasets/o/gated/a.tar", "good", fs.ErrPermission, "ask for access to datasets/o/gated"},
		{"hf://datasets/o/none/a.tar", "", fs.ErrNotExist, "datasets/o/none does not exist, or is private and needs"},
		{"hf://datasets/o/none/a.tar", "good", fs.ErrNotExist, "datasets/o/none does not exist, or is private and the"},
		{"hf://o/open/a.tar", "", fs.ErrNotExist, "a data set is hf://datasets/o/open"},
		{"hf://datasets/o/open@none/a.tar", "", fs.ErrNotExist, "no revision none"},
		{"hf://datasets/o/open/none.tar", "", fs.ErrNotExist, ""},
		{"hf://datasets/o/open/", "", errName, ""},
	} {
		_, err := process(t, h, "HF_TOKEN", tt.token).Open(t.Context(), tt.name)
		var hinted interface{ Hint() string }
		hint := ""
		if errors.As(err, &hinted) {
			hint = hinted.Hint()
		}
		if !errors.Is(err, tt.want) || !strings.Contains(hint, tt.hint) || (hint == "") != (tt.hint == "") {
			t.Errorf("%s with %q: %v, hint %q", tt.name, tt.token, err, hint)
		}
		if err != nil && tt.token != "" && strings.Contains(err.Error()+hint, tt.token+" ") {
			t.Errorf("the error has the token: %v, %s", err, hint)
		}
	}
	for pair, want := range map[[2]string]error{
		{"HF_HUB_OFFLINE", "1"}:           store.ErrUnreachable,
		{"HF_ENDPOINT", "huggingface.co"}: store.ErrName, {"HF_ENDPOINT", "https://u:p@h"}: store.ErrName,
		{"HF_HUB_OFFLINE", "perhaps"}: store.ErrName,
	} {
		_, err := process(t, h, pair[0], pair[1]).Open(t.Context(), "hf://datasets/o/open/a.tar")
		if !errors.Is(err, want) || !strings.Contains(err.Error(), pair[0]) {
			t.Errorf("%s: %v", pair, err)
		}
	}
}

// A token that is replaced while it is in use is found.
func TestTokenReplaced(t *testing.T) {
	h := hub.New(t)
	data := storetest.Noise(size, 1)
	h.Push("datasets/o/n", "main", map[string][]byte{"a.tar": data})
	h.Guard("datasets/o/n", "good", false)
	path := filepath.Join(t.TempDir(), "token")
	storetest.Check(t, os.WriteFile(path, []byte("bad"), 0o600))
	p := process(t, h, "HF_TOKEN_PATH", path)
	if _, err := p.Open(t.Context(), "hf://datasets/o/n/a.tar"); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a bad token: %v", err)
	}
	storetest.Check(t, os.WriteFile(path, []byte("good"), 0o600))
	o, err := p.Open(t.Context(), "hf://datasets/o/n/a.tar")
	storetest.Check(t, err)
	reads(t, o, data)
}

// When the Hub has had enough, requests wait as long as it says.
func TestRateLimit(t *testing.T) {
	h := hub.New(t)
	data := storetest.Noise(size, 1)
	h.Push("datasets/o/n", "main", map[string][]byte{"a.tar": data})
	p := process(t, h)
	h.Limit(1)
	begin := time.Now()
	o, err := p.Open(t.Context(), "hf://datasets/o/n/a.tar")
	storetest.Check(t, err)
	if took := time.Since(begin); took < time.Second {
		t.Errorf("asked again after %v, not a second", took)
	}
	reads(t, o, data)
}
