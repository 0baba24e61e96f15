package server

import (
	"context"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/guard"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/store"
)

// guardian returns the command of a guardian, without its arguments.
func (s *server) guardian() guard.Command {
	c := guard.Command{Env: s.env, SameGroup: s.link.isBackground() && s.sharesSession()}
	if s.Private {
		c.Private = s.scratch.Dir
	}
	return c
}

// sharesSession reports whether this process is in the session of its parent, as Command.SameGroup has it at first.
func (s *server) sharesSession() bool {
	sid, err := unix.Getsid(0)
	return err == nil && sid != os.Getpid()
}

// guardianOf returns the arguments of a guardian of one shard.
func guardianOf(shard string) []string { return []string{"of", shard} }

// guardEarly begins to guard an open shard that the kernel, judged by its name, will read itself. A guardian needs some milliseconds to
// start: as many as it takes to load an index and to make the scratch directory ready.
func (s *server) guardEarly(fd int) {
	name := s.Names[0]
	if s.Base == BaseFUSE || s.Changes == FUSE || !overlayfs.MayMount() || !strings.HasSuffix(name, ".tar") {
		return
	}
	f, err := guard.Hold(fd)
	if err != nil {
		return // kernelBase says why
	}
	c := s.guardian()
	c.Args = guardianOf(store.Redact(name))
	if g, err := guard.Start(context.Background(), []*guard.File{f}, c); err == nil {
		s.early = g
	}
}

// takeEarly returns the guard that guardEarly has begun, if the shard is still the one that was opened, and has its bytes
// where the kernel would read them; else nil.
func (s *server) takeEarly(p *kernelPart) *guard.Guard {
	g := s.early
	if g == nil {
		return nil
	}
	if _, ok := p.shard.Descriptor(); !ok || !p.image.InShard() || !p.isUnchanged() || g.IsBroken() {
		s.endEarly()
		return nil
	}
	s.early = nil
	return g
}

// endEarly ends a guard that was not taken.
func (s *server) endEarly() {
	if s.early != nil {
		s.early.Close()
		s.early = nil
	}
}
