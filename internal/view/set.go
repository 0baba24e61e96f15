package view

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/lru"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// Set is what is mounted: one shard, whose samples are at the root, or many, with a directory for each at the root. Of
// many, a shard is opened when something in its directory is requested, and closed when it has not been used for a
// while. A Set is safe for concurrent use.
//
// The number of a file consists of the number of its shard, from 1, and of 43 bits for the number of the file in
// there. The number of a shard alone is 0.
type Set struct {
	only *View // nil for many

	open  func(ctx context.Context, name string) (*shard.Shard, error)
	all   []*part
	named map[string]int // positions in all by name

	ctx     context.Context // of opening shards; Close ends it by cancel
	cancel  context.CancelFunc
	loading sync.WaitGroup // goroutines that open shards

	mu   sync.Mutex               // guards idle and the parts' state
	idle *lru.Cache[*part, *part] // open and unused
	live int                      // parts that are open
}

// part is one of many shards.
type part struct {
	name  string // of its directory
	shard string
	made  time.Time // of the file
	was   *index.Origin

	opening chan struct{} // closed when what is being opened is open, or err is set; nil while nothing is
	view    *View
	err     error
	users   int
	end     *time.Timer // closes it, or forgets err
}

// Limits of many shards. A shard that is open takes a descriptor, a mapping of its index and, if it is compressed,
// memory for what has been decoded.
const (
	maxOpen  = 32
	maxIdle  = 30 * time.Second
	maxParts = 1 << (63 - inoBits - 2)
)

// One returns the set of one shard, which stays the caller's.
func One(sh *shard.Shard) *Set { return &Set{only: New(sh)} }

// Many returns the set of the shards with these names, which st has, or the local files if it is nil. Each is opened
// by open. A name that leads to no shard is an error.
func Many(ctx context.Context, st store.Store, names []string,
	open func(ctx context.Context, name string) (*shard.Shard, error)) (*Set, error) {
	if st == nil {
		st = file.Store{}
	}
	if len(names) > maxParts {
		return nil, fmt.Errorf("%d shards: more than %d", len(names), maxParts)
	}
	s := &Set{open: open, named: make(map[string]int, len(names))}
	s.idle = lru.New(maxOpen, nil, func(p, _ *part) {
		p.end.Stop()
		s.close(p)
	})
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	tried := make(map[string]int) // the last number after each base name
	for i, name := range names {
		info, err := st.Stat(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", store.Redact(name), err)
		}
		base := dirName(name)
		dir := base
		for n := max(tried[base], 1); ; {
			if _, taken := s.named[dir]; !taken {
				tried[base] = n
				break
			}
			n++
			dir = base + "~" + strconv.Itoa(n)
		}
		s.named[dir] = i
		s.all = append(s.all, &part{name: dir, shard: name, made: info.ModTime})
	}
	return s, nil
}

// dirName returns the name of a shard's directory: its base name without what says that it is a tar, and how
// compressed.
func dirName(shard string) string { return codec.TrimSuffix(path.Base(store.Redact(shard))) }

// Only returns the view of a set's only shard; nil where there are many.
func (s *Set) Only() *View { return s.only }

// DropPages gives up the memory that mapped indexes take; see [shard.Shard.DropPages].
func (s *Set) DropPages() {
	if s.only != nil {
		s.only.Shard.DropPages()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		if p.view != nil {
			p.view.Shard.DropPages()
		}
	}
}

// Close closes the shards that the set has opened. The set must not be used any more.
func (s *Set) Close() error {
	if s.only != nil {
		return nil
	}
	s.cancel()
	s.loading.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.Clear() // a timer may have expired just now
	var errs []error
	for _, p := range s.all {
		if p.end != nil {
			p.end.Stop()
		}
		if p.view != nil {
			errs = append(errs, s.close(p))
		}
	}
	return errors.Join(errs...)
}

// Entry is a file or directory of the set in use: the number that it has in its shard, and that shard's view.
type Entry struct {
	View *View
	Ino  Ino
	set  *Set
	part *part // nil for the only shard
	high Ino   // what the numbers of the shard's files have above inoBits
}

// Release ends the use.
func (e Entry) Release() {
	if e.part != nil {
		e.set.release(e.part)
	}
}

// Global returns the number in the set of a file of the entry's shard.
func (e Entry) Global(ino Ino) Ino { return e.high | ino }

// IsTop reports whether a number is of the directory that holds those of many shards.
func (s *Set) IsTop(ino Ino) bool { return s.only == nil && ino == Root }

// Use opens what a number stands for, other than the top. It is in use until Release. An error is ErrShard, or EINTR if
// ctx ended first.
func (s *Set) Use(ctx context.Context, ino Ino) (Entry, error) {
	if s.only != nil {
		return Entry{View: s.only, Ino: ino}, nil
	}
	n := int(ino >> inoBits)
	if n < 1 || n > len(s.all) {
		return Entry{}, unix.ESTALE
	}
	p := s.all[n-1]
	v, err := s.use(ctx, p)
	if err != nil {
		return Entry{}, err
	}
	return Entry{v, ino & (1<<inoBits - 1), s, p, Ino(n) << inoBits}, nil
}

// PartRoot reports whether a number is of the directory of one of many shards, and describes that without opening it.
func (s *Set) PartRoot(ino Ino) (Attr, bool) {
	n := int(ino >> inoBits)
	if s.only != nil || ino&(1<<inoBits-1) != Root || n < 1 || n > len(s.all) {
		return Attr{}, false
	}
	return s.attr(n - 1), true
}

func (s *Set) attr(i int) Attr {
	at := s.all[i].made
	return s.dir(Ino(i+1)<<inoBits|Root, at)
}

// dir describes a directory that leads to shards.
func (s *Set) dir(ino Ino, made time.Time) Attr {
	return Attr{
		Ino: ino, Mode: unix.S_IFDIR | 0o755, Nlink: 1,
		Uid: uint32(unix.Geteuid()), Gid: uint32(unix.Getegid()), BlkSize: 4096,
		Atime: made, Mtime: made, Ctime: made,
	}
}

// Top describes the directory that holds those of many shards.
func (s *Set) Top() Attr {
	latest := time.Unix(0, 0)
	for _, p := range s.all {
		if p.made.After(latest) {
			latest = p.made
		}
	}
	return s.dir(Root, latest)
}

// Part returns the directory of one of many shards by its name.
func (s *Set) Part(name string) (Attr, bool) {
	i, ok := s.named[name]
	if !ok {
		return Attr{}, false
	}
	return s.attr(i), true
}

// Parts yields the directories of many shards, in their order, from a place on.
func (s *Set) Parts(from uint64, yield func(DirEntry) bool) {
	for i := from; i < uint64(len(s.all)); i++ {
		if !yield(DirEntry{s.all[i].name, Ino(i+1)<<inoBits | Root, unix.S_IFDIR, i + 1}) {
			return
		}
	}
}

// use opens a part, or waits until it is open.
func (s *Set) use(ctx context.Context, p *part) (*View, error) {
	s.mu.Lock()
	for p.view == nil && p.err == nil { // more than once where it was closed again before we came to it
		if p.opening == nil {
			p.opening = make(chan struct{})
			opening := p.opening
			s.loading.Go(func() { s.load(p, opening) })
		}
		opening := p.opening
		s.mu.Unlock()
		select {
		case <-opening:
		case <-ctx.Done():
			return nil, unix.EINTR
		}
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	if p.err != nil {
		return nil, p.err
	}
	if p.users++; p.users == 1 {
		s.idle.Remove(p)
		p.end.Stop()
	}
	return p.view, nil
}

// load opens a part. What could not be opened is not tried again at once.
func (s *Set) load(p *part, opening chan struct{}) {
	sh, err := s.open(s.ctx, p.shard)
	if err == nil && p.was != nil && !p.was.Same(sh.Origin) {
		err = errors.Join(fmt.Errorf("%s: %w", sh.Name, store.ErrChanged), sh.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(opening)
	p.opening = nil
	if err != nil {
		p.err = asShardError(err)
		p.end = time.AfterFunc(maxIdle, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			p.err = nil
		})
		return
	}
	origin := sh.Origin
	p.was, p.view = &origin, New(sh)
	s.live++
	s.rest(p)
}

// release ends a use of a part.
func (s *Set) release(p *part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.users--; p.users == 0 {
		s.rest(p)
	}
}

// rest puts an unused part among those that are closed if there are too many, or after some time. Those in use count,
// too.
func (s *Set) rest(p *part) {
	p.end = time.AfterFunc(maxIdle, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, ok := s.idle.Remove(p); ok {
			s.close(p)
		}
	})
	s.idle.MakeRoom(int64(s.live - s.idle.Len()))
	s.idle.Add(p, p)
}

// close closes the shard of a part.
func (s *Set) close(p *part) error {
	sh := p.view.Shard
	p.view = nil
	s.live--
	return sh.Close()
}
