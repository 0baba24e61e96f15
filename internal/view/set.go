package view

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
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

// Set is the content of a mount: one shard, whose samples are at the root, or many shards, each with a directory at the
// root. One of many shards is opened when something in its directory is requested, and closed when too many others have
// been used since. A Set is safe for concurrent use.
//
// The number of a file consists of the number of its shard, counted from 1, and 43 bits for the number of the file in
// the shard. A single shard has the number 0.
type Set struct {
	only *View // nil for many

	open   func(ctx context.Context, name string) (*shard.Shard, error)
	all    []*part
	remote bool           // one of them is
	named  map[string]int // positions in all by name

	ctx     context.Context // for opening shards; Close cancels it
	cancel  context.CancelFunc
	loading sync.WaitGroup // goroutines that open shards

	mu   sync.Mutex               // guards idle and the parts' state
	idle *lru.Cache[*part, *part] // open and unused
	warm *lru.Cache[*part, *part] // the last that were used
	live int                      // number of open parts
}

// part is one of many shards.
type part struct {
	name  string // name of its directory
	shard string
	made  time.Time // modification time of the shard
	was   *index.Origin
	index string // the shard's Foreign, then; another index has other rows, which are in numbers that the kernel knows

	opening chan struct{} // closed when view or err is set; nil while the part is not being opened
	view    *View
	err     error
	users   int
	retry   *time.Timer // clears err
}

// limit sets how many shards may be open at a time; there must be none yet.
func (s *Set) limit(open int64) { s.idle = lru.New(open, nil, func(p, _ *part) { s.close(p) }) }

// Limits for many shards. An open shard takes a file descriptor, a mapping of its index, whose pages are dropped when
// they are many, and the map of a compressed one. One that is used takes decoders, too. To open a shard again takes longer
// than to read a sample, so shards stay open as long as the limit of descriptors allows.
const (
	maxOpen    = 4096
	maxRemote  = 256
	openShare  = 4 // of the descriptors that this process may have
	maxWarm    = 32
	retryAfter = 30 * time.Second
	maxParts   = 1 << (63 - inoBits - 2)
)

// mostOpen returns how many shards with these names may be open at a time. A remote one takes no descriptor, but memory
// for its index.
func mostOpen(names []string) int64 {
	if !slices.ContainsFunc(names, func(name string) bool { return !store.IsRemote(name) }) {
		return maxRemote
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return maxWarm
	}
	return int64(min(max(limit.Cur/openShare, 1), maxOpen))
}

// One returns the set of one shard, which the caller must close.
func One(sh *shard.Shard) *Set { return &Set{only: New(sh)} }

// Many returns the set of the shards with these names in a store; nil means local files. Open opens one of them. It is
// an error if a local file does not exist. Nothing is asked of other stores before a shard is used, and the time of its
// directory is then that of this call.
func Many(ctx context.Context, st store.Store, names []string,
	open func(ctx context.Context, name string) (*shard.Shard, error)) (*Set, error) {
	if st == nil {
		st = file.Store{}
	}
	if len(names) > maxParts {
		return nil, fmt.Errorf("%d shards: more than %d", len(names), maxParts)
	}
	s := &Set{open: open, named: make(map[string]int, len(names))}
	s.limit(mostOpen(names))
	s.warm = lru.New(maxWarm, nil, func(p, _ *part) {
		if p.view != nil {
			p.view.Shard.Rest()
		}
	})
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	began := time.Now()
	tried := make(map[string]int) // last number appended to each base name
	for i, name := range names {
		s.remote = s.remote || store.IsRemote(name)
		info, err := store.Info{ModTime: began}, store.Known(st, name)
		if !store.IsRemote(name) {
			info, err = st.Stat(ctx, name)
		}
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

// dirName returns the name of a shard's directory: its base name without the suffixes for tar and compression. Where
// no directory can have that name, as the keys of object stores are any bytes, it is shortened or "shard".
func dirName(shard string) string {
	object, _ := store.CutQuery(store.Redact(shard))
	name := codec.TrimSuffix(path.Base(object))
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "shard"
	}
	return name
}

// maxName is how many bytes of a shard's name its directory has at most, so that there is room for a number.
const maxName = 240

// Grows reports whether a shard is, or may be when it is opened, still being indexed while it is shown.
func (s *Set) Grows() bool {
	if s.only != nil {
		return s.only.Growing()
	}
	return s.remote
}

// Only returns the view of a set's only shard; nil if there are many.
func (s *Set) Only() *View { return s.only }

// DropPages releases the memory of mapped indexes; see [shard.Shard.DropPages].
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

// Close closes the shards that the set has opened. The set must not be used afterwards.
func (s *Set) Close() error {
	if s.only != nil {
		return nil
	}
	s.cancel()
	s.loading.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.Clear()
	var errs []error
	for _, p := range s.all {
		if p.retry != nil {
			p.retry.Stop()
		}
		if p.view != nil {
			errs = append(errs, s.close(p))
		}
	}
	return errors.Join(errs...)
}

// Entry is a file or directory in use: its number in its shard, and the view of that shard.
type Entry struct {
	View *View
	Ino  Ino
	set  *Set
	part *part // nil for the only shard
	high Ino   // the bits above inoBits in the numbers of the shard's files
}

// Release ends the use.
func (e Entry) Release() {
	if e.part != nil {
		e.set.release(e.part)
	}
}

// Global converts the number of a file in the entry's shard to its number in the set.
func (e Entry) Global(ino Ino) Ino { return e.high | ino }

// IsTop reports whether a number is that of the root of many shards.
func (s *Set) IsTop(ino Ino) bool { return s.only == nil && ino == Root }

// Use opens the file or directory with a number, other than the top, for use until Release. The error is ErrShard, or
// EINTR if ctx ended first.
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

// PartRoot reports whether a number is that of the directory of one of many shards, and describes the directory without
// opening the shard.
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

// dir describes a directory of a set of many shards.
func (s *Set) dir(ino Ino, made time.Time) Attr {
	return Attr{
		Ino: ino, Mode: unix.S_IFDIR | 0o755, Nlink: 1,
		Uid: uint32(unix.Geteuid()), Gid: uint32(unix.Getegid()), BlkSize: 4096,
		Atime: made, Mtime: made, Ctime: made,
	}
}

// Top describes the root of many shards.
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

// Parts yields the directories of many shards, in order, starting at a place.
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
	for p.view == nil && p.err == nil { // again if the part was closed before this goroutine ran
		if p.opening == nil {
			s.begin(p)
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
	}
	return p.view, nil
}

// load opens a part. After an error, the part is not opened again for a while.
func (s *Set) load(p *part, opening chan struct{}) {
	sh, err := s.open(s.ctx, p.shard)
	if err == nil && !p.isOf(sh) {
		err = errors.Join(fmt.Errorf("%s: %w", sh.Name, store.ErrChanged), sh.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(opening)
	p.opening = nil
	if err != nil {
		p.err = fmt.Errorf("%w: %w", ErrShard, err) // which begins with its name
		p.retry = time.AfterFunc(retryAfter, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			p.err = nil
		})
		return
	}
	s.take(p, sh)
	s.rest(p)
}

// openNext begins to open the part after one that is being read in order and soon at its end, unless it is open or could
// not be opened. For a local shard that is too little work to begin early.
func (s *Set) openNext(p *part) {
	i := s.named[p.name] + 1
	if i >= len(s.all) || !store.IsRemote(s.all[i].shard) {
		return
	}
	next := s.all[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if next.view == nil && next.err == nil && next.opening == nil && s.ctx.Err() == nil {
		s.begin(next)
	}
}

// begin begins to open a part that is not open. The caller holds the mutex.
func (s *Set) begin(p *part) {
	p.opening = make(chan struct{})
	opening := p.opening
	s.loading.Go(func() { s.load(p, opening) })
}

// release ends a use of a part.
func (s *Set) release(p *part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.users--; p.users == 0 {
		s.rest(p)
	}
}

// rest puts an unused part on the list of those that are closed when there are too many. Those in use count, too.
func (s *Set) rest(p *part) {
	s.warmUp(p)
	s.idle.MakeRoom(int64(s.live - s.idle.Len()))
	s.idle.Add(p, p)
}

// close closes the shard of a part.
func (s *Set) close(p *part) error {
	sh := p.view.Shard
	p.view = nil
	s.warm.Remove(p)
	s.live--
	return sh.Close()
}
