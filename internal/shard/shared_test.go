package shard

import "testing"

// A cache is looked through once a process, and again when as much was added as half of what had room.
func TestShared(t *testing.T) {
	s := NewShared(1000)
	if s.CacheSize() != 1000 || (*Shared)(nil).CacheSize() != 0 {
		t.Error("another size")
	}
	if !s.sweeps("a") || s.sweeps("a") || !s.sweeps("b") {
		t.Error("swept not once")
	}
	if s.fits("a", 1) {
		t.Error("nothing is known yet, and a byte fits for sure")
	}
	s.holds("a", 400)
	for i, want := range []bool{true, true, true, false, false} {
		if got := s.fits("a", 100); got != want {
			t.Errorf("after %d bytes: %v", 100*i, got)
		}
	}
	if s.fits("b", 1) {
		t.Error("another directory has the same room")
	}
	s.holds("a", 2000)
	if s.fits("a", 0) {
		t.Error("a cache over its limit has room")
	}
}
