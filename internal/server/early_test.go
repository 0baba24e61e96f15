package server

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/erofs"
	"github.com/shardfs/shardfs/internal/guard"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/scratch"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/testing/testtime"
	"github.com/shardfs/shardfs/internal/view"
)

// A guard that was begun before the index was read is taken if the kernel is to read the shard that was opened, and ends
// else.
func TestGuardEarly(t *testing.T) {
	if !overlayfs.MayMount() {
		skip.Without(t, "the right to mount")
	}
	for _, tt := range []struct {
		name  string
		o     Options
		as    string // the name of the shard; "" means that which it has
		then  func(t *testing.T, g *guard.Guard, name string)
		taken bool
	}{
		{name: "plain", taken: true},
		{name: "changes in FUSE", o: Options{Changes: FUSE}},
		{name: "FUSE", o: Options{Base: BaseFUSE}},
		{name: "compressed, by its name", as: "a.tgz"},
		{name: "opened for writing", then: func(t *testing.T, g *guard.Guard, name string) {
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			shardtest.Check(t, err)
			shardtest.Check(t, f.Close())
			testtime.Eventually(t, "the guard is broken", g.IsBroken)
		}},
		{name: "another version", then: func(t *testing.T, _ *guard.Guard, name string) {
			shardtest.Check(t, os.Chtimes(name, time.Time{}, time.Unix(1, 0)))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := shardtest.Write(t, "a.txt", "b.txt")
			s := &server{Options: tt.o, env: os.Environ(), scratch: &scratch.Scratch{}}
			s.Names = []string{name}
			if tt.as != "" {
				s.Names = []string{tt.as}
			}
			defer s.endEarly()
			sh, err := shard.Open(t.Context(), name, shard.Options{Opened: s.guardEarly})
			shardtest.Check(t, err)
			defer sh.Close()
			fd, _ := sh.Descriptor()
			if f, err := guard.Hold(fd); errors.Is(err, guard.ErrUnguardable) {
				skip.Without(t, "leases: %v", err)
			} else {
				shardtest.Check(t, errors.Join(err, f.Close()))
			}
			g := s.early
			if (g != nil) != (tt.taken || tt.then != nil) {
				t.Fatalf("there is a guard: %v", g != nil)
			}
			if tt.then != nil {
				tt.then(t, g, name)
			}
			image, err := erofs.New(view.One(sh).Only(), erofs.Options{})
			shardtest.Check(t, err)
			if taken := s.takeEarly(&kernelPart{image: image, shard: sh}); (taken != nil) != tt.taken {
				t.Errorf("it is taken: %v", taken != nil)
			} else if taken != nil {
				shardtest.Check(t, taken.Close())
			}
			if s.early != nil {
				t.Error("it goes on")
			}
		})
	}
}
