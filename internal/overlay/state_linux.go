package overlay

import (
	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/pack"
)

// State is the changes as they were at one moment, for looking up samples in any order. It is immutable and safe for
// concurrent use; its directories of changed samples are read when they are asked for.
type State struct {
	o *Overlay
	c *changes
}

// State returns the changes as they are now. Its time and memory depend only on the number of changes.
func (o *Overlay) State() (*State, error) {
	c, err := o.walk()
	if err != nil {
		return nil, err
	}
	return &State{o, c}, nil
}

// Changed reports whether a sample of the shard may have changed: in its files or its place, or because it was deleted.
func (s *State) Changed(number int) bool {
	if len(s.c.places) == 0 && len(s.c.gone) == 0 {
		return false
	}
	x := s.o.Shard.Index
	own := x.DirOf(number)
	for d := own; d != index.Root; d = x.Parent(d) {
		if p, ok := s.c.places[d]; ok {
			return d == own || p.opaque || p.path != x.Path(d)
		}
		if s.c.gone[d] {
			return true
		}
	}
	return false
}

// Dir returns the directory of a sample of the shard; false if it was deleted.
func (s *State) Dir(number int) (pack.Dir, bool, error) { return s.o.dirAtPlace(s.c, number) }

// Added returns the directories that are not of the shard, by path. The caller must not change them.
func (s *State) Added() []pack.Dir { return s.c.added }
