package mounts

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// The kernel tells the same mounts with and without /proc.
func TestListByCalls(t *testing.T) {
	s, place := mountWithoutServer(t)
	defer s.Close()
	got, err := listByCalls()
	if err == unix.ENOSYS {
		skip.Without(t, "statmount(2) of Linux 6.13")
	}
	if err != nil {
		t.Fatal(err)
	}
	want, ok, err := At(place)
	if !ok || err != nil || !slices.Contains(got, want) {
		t.Errorf("%+v, %v, %v is not among %+v", want, ok, err, got)
	}
}
