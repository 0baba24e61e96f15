package main

import (
	"context"
	"errors"
	"io/fs"
	"os/exec"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// networkIn returns a bench with a small shard, and its network.
func networkIn(t *testing.T) (*bench, drawn, *network) {
	t.Helper()
	b, s, p := benchIn(t.TempDir()), photos(100), new(plan)
	if _, err := b.draw(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	n, err := b.slowNetwork(t.Context(), p)
	if errors.Is(err, exec.ErrNotFound) {
		skip.Without(t, "nginx: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.end(); err != nil {
			t.Error(err)
		}
	})
	return b, s, n
}

// The bare client reads the file once, and the server counts its requests.
func TestBare(t *testing.T) {
	_, s, n := networkIn(t)
	for connections, want := range map[int]traffic{16: {2, s.size()}, 1: {1, s.size()}} {
		trial := n.bare(timed("bare", work{}), s, connections)
		if strings.Contains(trial.command, n.addr) {
			t.Errorf("the command tells the port: %s", trial.command)
		}
		before := n.relay.Counts()
		if _, err := trial.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := n.settled(t.Context())
		if err != nil || got != want {
			t.Errorf("%d connections: %+v, %v, want %+v", connections, got, err, want)
		}
		if came := n.relay.Counts().Down - before.Down; came < s.size() || came > s.size()+2000 {
			t.Errorf("%d connections: %d bytes came, want %d", connections, came, s.size())
		}
	}
	s.name = "not-there.tar"
	if _, err := n.bare(timed("bare", work{}), s, 2).run(t.Context()); err == nil {
		t.Error("no error for a file that is not there")
	}
}

// The figures of a trial's traffic are for its own requests only.
func TestCounting(t *testing.T) {
	_, s, n := networkIn(t)
	bare := n.bare(timed("bare", work{}), s, 16)
	if _, err := bare.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.counting(bare, s.size(), quantity("requests", "requests/GB"), quantity("bytes", "bytes/byte"))
	values, err := bare.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(values) != len(bare.figures) || values[1] != 2/(float64(s.size())/1e9) || values[2] != 1 {
		t.Errorf("values = %v", values)
	}
}

// Other clients do their work, those that are there.
func TestOtherClients(t *testing.T) {
	b, s, n := networkIn(t)
	for _, trial := range b.otherClients(n, s, work{}) {
		if trial.prepare != nil {
			if err := trial.prepare(); err != nil {
				t.Error(err)
			}
		}
		if _, err := n.settled(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := trial.run(t.Context()); err != nil {
			t.Errorf("%s: %v", trial.command, err)
			continue
		}
		got, err := n.settled(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.bytes < s.size() {
			t.Errorf("%s: %d bytes were sent, the file has %d", trial.command, got.bytes, s.size())
		}
		t.Logf("%s: %+v", trial.command, got)
	}
}

func TestReadListed(t *testing.T) {
	b, s := benchIn(t.TempDir()), thumbs(200)
	if _, err := b.draw(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	root, err := b.extract(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := walkingAsListed(s.bodies()).run(t.Context(), root); err != nil {
			t.Error(err)
		}
	}
	if _, err := walkingAsListed(s.bodies()+1).run(t.Context(), root); err == nil {
		t.Error("no error for another number of bytes")
	}
	if _, err := readListed(t.Context(), root+"/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("readListed = %v, want %v", err, fs.ErrNotExist)
	}
}

// The bound is the slower one of two.
func TestBounded(t *testing.T) {
	for _, tt := range [][3]float64{{2, 1, 2}, {1, 2, 2}} {
		fixed := func(x float64) *trial {
			return measured(timed("a", work{}), "", func(context.Context) (float64, error) { return x, nil })
		}
		trials := new(network).bounded("", work{}, fixed(tt[0]), fixed(tt[1]))
		if err := rounds(t.Context(), "test", 2, &plan{trials: trials}, nil); err != nil {
			t.Fatal(err)
		}
		if got := trials[1].figures[1].values; len(got) != 2 || got[0] != tt[2] || got[1] != tt[2] {
			t.Errorf("bound of %v = %v", tt[:2], got)
		}
	}
}
