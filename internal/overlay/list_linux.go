package overlay

import (
	"sync"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/view"
)

// Listing is an open directory. It lists entries of the shard in tar order and then added entries by name, both as they
// were when it was last read from the start. It is safe for concurrent use.
type Listing struct {
	t   *Tree
	ino view.Ino

	mu    sync.Mutex // guards the fields below
	begun bool
	base  index.Dir
	over  bool                     // base is valid
	upper map[string]view.DirEntry // entries of the upper tree by name; a whiteout has no mode
	added []string                 // names in upper that the shard does not have here, sorted
}

// List opens a directory.
func (t *Tree) List(ino view.Ino) *Listing {
	return &Listing{t: t, ino: ino}
}

// read reads the entries of the directory. The caller holds t.mu.
func (l *Listing) read() error {
	t := l.t
	l.begun, l.upper, l.added = true, nil, nil
	l.base, l.over = t.base(l.ino)
	dir := t.nodes[l.ino]
	if dir == nil {
		return nil
	}
	at, err := t.path(l.ino)
	if err != nil {
		return err
	}
	entries, err := t.o.upper.list(at)
	if err != nil || len(entries) == 0 {
		return err
	}
	l.upper = make(map[string]view.DirEntry, len(entries))
	files := l.files()
	for _, e := range entries {
		if isWhiteout(&e.stat) {
			l.upper[e.name] = view.DirEntry{}
			continue
		}
		entry := view.DirEntry{Name: e.name, Mode: e.stat.Mode & unix.S_IFMT}
		if n := dir.children[e.name]; n != nil {
			entry.Ino = n.ino
		}
		l.upper[e.name] = entry
		if files[e.name] {
			continue
		}
		if _, ok := t.o.Shard.Index.Child(l.base, e.name); !ok || !l.over {
			l.added = append(l.added, e.name)
		}
	}
	return nil
}

// files returns the names of the files that the shard has in the directory.
func (l *Listing) files() map[string]bool {
	x := l.t.o.Shard.Index
	number, ok := x.SampleIn(l.base)
	if !ok || !l.over {
		return nil
	}
	sample := x.Sample(number)
	files := map[string]bool{index.KeyFile: true, index.SourceFile: true}
	for row := sample.Start; row < sample.End; row++ {
		if x.InSample(row) {
			files[x.FileName(row)] = true
		}
	}
	return files
}

// Entries yields the entries from a position on, without "." and "..", until yield returns false. Each entry has the
// position of the next one. At position 0 the directory is read again.
func (l *Listing) Entries(from uint64, yield func(view.DirEntry) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from == 0 || !l.begun {
		l.t.mu.RLock()
		err := l.read()
		l.t.mu.RUnlock()
		if err != nil {
			return err
		}
	}
	l.entries(from, yield)
	return nil
}

// entries yields the entries from a position on, as read last.
func (l *Listing) entries(from uint64, yield func(view.DirEntry) bool) {
	replace := func(e view.DirEntry) bool {
		upper, ok := l.upper[e.Name]
		if !ok {
			return yield(e)
		}
		if upper.Mode == 0 {
			return true // deleted
		}
		upper.Next = e.Next
		return yield(upper)
	}
	if l.over && !l.t.view.Entries(l.base, from, replace) {
		return
	}
	const atAdded = view.AfterAll // positions in Listing.added
	i := 0
	if from >= atAdded {
		i = int(from-atAdded) + 1
	}
	for ; i < len(l.added); i++ {
		e := l.upper[l.added[i]]
		e.Next = atAdded + uint64(i)
		if !yield(e) {
			return
		}
	}
}
