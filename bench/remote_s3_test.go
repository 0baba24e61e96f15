package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// The bare client uploads a file once, in parts, and the server's log has each request; rclone uploads the same.
func TestUploads(t *testing.T) {
	b, shard, p := benchIn(t.TempDir()), photos(200), new(plan)
	local, err := b.draw(t.Context(), shard)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.serveObjects(t.Context(), p, slowStore)
	t.Cleanup(func() {
		if err := p.end(); err != nil {
			t.Error(err)
		}
	})
	if errors.Is(err, exec.ErrNotFound) {
		skip.Without(t, "versitygw: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	bare := s.bareUpload(timed("bare", work{}), local, shard.size(), 16)
	trials := []*trial{bare}
	if rclone, err := lookPath("rclone"); err == nil {
		trials = append(trials, s.rcat(timed("rclone", work{}), rclone, local))
	}
	for _, trial := range trials {
		before, err := s.requests()
		if err != nil {
			t.Fatal(err)
		}
		sent := s.relay.Counts().Up
		if _, err := trial.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := sameBytes(s.path("out.tar"), local); err != nil {
			t.Error(err)
		}
		if sent = s.relay.Counts().Up - sent; sent < shard.size() {
			t.Errorf("%s: %d bytes were sent, the file has %d", trial.command, sent, shard.size())
		}
		after, err := s.requests()
		want := int((shard.size()+rangeSize-1)/rangeSize) + 2 // parts, the upload's begin and its end
		if trial == bare && (err != nil || after-before != want) {
			t.Errorf("%d requests, %v, want %d", after-before, err, want)
		}
		if err := os.Remove(s.path("out.tar")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := bare.run(t.Context()); err == nil {
		t.Error("no error without a bucket")
	}
}

// The difference of memory is that of one round.
func TestWithMore(t *testing.T) {
	fixed := func(peak float64) *trial {
		return &trial{figures: []*figure{timed("time", work{}), quantity("peak", "B")},
			run: func(context.Context) ([]float64, error) { return []float64{1, peak}, nil }}
	}
	small, large := fixed(10), fixed(25)
	withMore(large, quantity("more", "B"), small)
	if err := rounds(t.Context(), "test", 2, &plan{trials: []*trial{small, large}}, nil); err != nil {
		t.Fatal(err)
	}
	if got := large.figures[2].values; len(got) != 2 || got[0] != 15 || got[1] != 15 {
		t.Errorf("differences = %v, want 15", got)
	}
}
