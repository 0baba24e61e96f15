package gallery

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// A shard that was replaced, or written to, says so, and no bytes of the other are shown.
func TestReplaced(t *testing.T) {
	name, other := writeShard(t, "a.txt", "old"), writeShard(t, "a.txt", "new")
	s := serve(t, name)
	shardtest.Check(t, os.Rename(other, name))
	var set setJSON
	testtime.Eventually(t, "the news", func() bool {
		s.get("api/set", &set)
		return set.Shards[0].State == replaced
	})
	if !strings.Contains(set.Shards[0].Error, "changed") {
		t.Errorf("%+v", set)
	}
	if _, _, body := s.do("raw/0/0", nil); body == "new" {
		t.Errorf("raw: %q", body)
	}
	name = writeShard(t, "b.txt", "old")
	s = serve(t, name)
	shardtest.Check(t, os.WriteFile(name, bytes.Repeat([]byte("x"), 10240), 0o644))
	shardtest.Check(t, os.Chtimes(name, shardtest.ModTime(), shardtest.ModTime()))
	if status, _, body := s.do("raw/0/0", nil); status != http.StatusConflict {
		t.Errorf("written to: %d %q", status, body)
	}
}

// set waits until the description of all sources is as it should be.
func (s *testServer) set(what string, ok func(set *setJSON) bool) {
	s.t.Helper()
	testtime.Eventually(s.t, what, func() bool {
		var set setJSON
		s.get("api/set", &set)
		return ok(&set)
	})
}

// closer tells that it is closed.
type closer struct{ closed *bool }

func (c closer) Close() error {
	*c.closed = true
	return nil
}

// Loading the page opens anew what was replaced, and what could not be opened; other samples get other numbers.
func TestRenew(t *testing.T) {
	first, bad := writeShard(t, "a.txt", "old"), filepath.Join(t.TempDir(), "bad.tar")
	shardtest.Check(t, os.WriteFile(bad, []byte("no tar"), 0o644))
	s := serve(t, first, bad, writeShard(t, "z.txt", "last"))
	s.set("all sources", func(set *setJSON) bool {
		return set.Samples == 2 && set.Shards[1].State == failed && set.Shards[2].State == ready
	})
	shardtest.Check(t, os.Rename(writeShard(t, "a.txt", "new", "b.txt", "more"), first))
	s.set("the news", func(set *setJSON) bool { return set.Shards[0].State == replaced && set.Samples == 2 })
	if _, _, body := s.do("raw/1/0", nil); body != "last" {
		t.Errorf("before: %q", body)
	}
	s.do("", nil)
	s.set("the new shard", func(set *setJSON) bool {
		return set.Samples == 3 && set.Shards[0].State == ready && set.Shards[0].Error == "" &&
			set.Generation == 1 && set.Shards[1].State == failed
	})
	shardtest.Check(t, os.Rename(writeShard(t, "m.txt", "found"), bad))
	s.do("", nil)
	s.set("the shard that was none", func(set *setJSON) bool { return set.Samples == 4 && set.Generation == 2 })
	for n, want := range []string{"new", "more", "found", "last"} {
		if _, _, body := s.do("raw/"+jsonText(n)+"/0", nil); body != want {
			t.Errorf("%d: %q, want %q", n, body, want)
		}
	}
	if found := s.find("key:a"); found != "a" {
		t.Errorf("found %q", found)
	}
	testtime.Eventually(t, "the end of the old shard", func() bool {
		u := &s.g.set.uses
		u.mu.Lock()
		defer u.mu.Unlock()
		return len(u.retired) == 0
	})
	shardtest.Check(t, os.Remove(first))
	s.set("the end", func(set *setJSON) bool { return set.Shards[0].State == replaced })
	s.do("", nil)
	s.set("why it stays", func(set *setJSON) bool {
		first := set.Shards[0]
		return first.State == replaced && strings.Contains(first.Error, "no such file") && set.Samples == 4
	})
}

// A source that was replaced is closed with the last use that may know of it.
func TestUses(t *testing.T) {
	var u uses
	var closed bool
	u.begin()
	u.begin()
	u.retire(closer{&closed})
	u.end()
	if closed {
		t.Error("closed while in use")
	}
	u.end()
	if !closed {
		t.Error("not closed")
	}
	closed = false
	if u.retire(closer{&closed}); !closed {
		t.Error("not closed, without uses")
	}
}
