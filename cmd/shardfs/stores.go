package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/shardfs/shardfs/internal/atomicfile"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/ahead"
	"github.com/shardfs/shardfs/internal/store/ais"
	"github.com/shardfs/shardfs/internal/store/az"
	"github.com/shardfs/shardfs/internal/store/file"
	"github.com/shardfs/shardfs/internal/store/gs"
	"github.com/shardfs/shardfs/internal/store/hf"
	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/s3"
	"github.com/shardfs/shardfs/internal/store/swift"
	"github.com/shardfs/shardfs/internal/store/web"
	"github.com/shardfs/shardfs/internal/ui"
)

// stores are the stores of shards, by the schemes of their names. Those of remote shards are made when the first of
// their names is used, and share an engine.
type stores struct {
	*store.Schemes
	engine func() *remote.Engine
	keep   kept                          // set before a name is used
	disk   func() *ahead.Disk            // that of keep; nil if nothing is kept
	made   atomic.Pointer[remote.Engine] // by engine; nil before
}

// kept is what of remote and of decoded shards is kept on disk.
type kept struct {
	dir   string // the cache directory, absolute; "" means that nothing is kept
	bytes int64  // at most
}

// open opens the directory; nil if nothing can be kept there.
func (k kept) open(u *ui.UI) *ahead.Disk {
	if k.dir == "" || k.bytes == 0 {
		return nil
	}
	above, err := atomicfile.OpenOwnDir(k.dir)
	if err == nil {
		defer above.Close()
		var disk *ahead.Disk
		if disk, err = ahead.OpenDisk(filepath.Join(k.dir, "blocks"), k.bytes); err == nil {
			return disk
		}
	}
	u.Detail("no bytes of shards are kept: %v", err)
	return nil
}

// newStores returns the stores of a process.
func newStores(u *ui.UI) *stores {
	s := &stores{Schemes: store.ByScheme(map[string]store.Store{store.FileScheme: file.Store{}})}
	s.disk = sync.OnceValue(func() *ahead.Disk { return s.keep.open(u) })
	s.engine = sync.OnceValue(func() *remote.Engine {
		e := remote.NewEngine(remote.Options{
			Cache:  ahead.NewCache(ahead.Options{Disk: s.disk()}),
			Detail: func(text string) { u.Detail("%s", text) },
			Warn:   func(text string) { u.WarnOnce("%s", text) },
		})
		s.made.Store(e)
		return e
	})
	for scheme, service := range services() {
		s.Add(scheme, func() store.Store { return remote.New(s.engine(), service(s.engine())) })
	}
	return s
}

// services returns what makes the services of remote shards, by scheme.
func services() map[string]func(e *remote.Engine) remote.Service {
	onWeb := func(*remote.Engine) remote.Service { return web.Service{Getenv: os.Getenv} }
	return map[string]func(e *remote.Engine) remote.Service{
		"ais":   func(*remote.Engine) remote.Service { return ais.New(os.Getenv) },
		"az":    func(*remote.Engine) remote.Service { return &az.Service{Getenv: os.Getenv} },
		"gs":    func(*remote.Engine) remote.Service { return &gs.Service{Getenv: os.Getenv} },
		"hf":    func(e *remote.Engine) remote.Service { return hf.New(hf.Options{Getenv: os.Getenv, Do: e.Do}) },
		"http":  onWeb,
		"https": onWeb,
		"s3":    func(*remote.Engine) remote.Service { return &s3.Service{Getenv: os.Getenv} },
		"swift": func(*remote.Engine) remote.Service { return swift.New(os.Getenv) },
	}
}

// sayStats says, with --verbose, what reading and writing remote shards has cost. A process that only starts another one in
// a namespace has nothing to say.
func (s *stores) sayStats(u *ui.UI) {
	if e := s.made.Load(); e != nil && e.Stats() != (remote.Stats{}) {
		u.Detail("%s", s.Stats())
	}
}

// Stats returns what reading and writing remote shards has cost, for the user.
func (s *stores) Stats() string {
	var n remote.Stats
	if e := s.made.Load(); e != nil {
		n = e.Stats()
	}
	sent := ""
	if n.Sent > 0 {
		sent = ", sent " + ui.Size(n.Sent)
	}
	if n.Copied > 0 {
		sent += fmt.Sprintf(", %s copied in the store", ui.Size(n.Copied))
	}
	return fmt.Sprintf("remote: requests %d, %s%s, retries %d, hedges %d",
		n.Requests, ui.Size(n.Bytes), sent, n.Retries, n.Hedges)
}
