package fusefs

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// storeFunc is the type of [Server.Store].
type storeFunc = func(file int, p []byte, off int64) error

// aheadReader is a File that wants to know what is read, to store what will be read next; see File.
type aheadReader interface {
	Ahead(off int64, n int, store storeFunc)
}

// servedFile is a file of MountFiles with the calls of its Ahead.
type servedFile struct {
	NamedFile
	ahead aheadReader // nil: the file does not want to know
	log   func(error)

	calls sync.WaitGroup // of the goroutine that calls Ahead

	mu      sync.Mutex // guards the fields below
	store   storeFunc  // nil: the mount is not ready
	calling bool       // there is a goroutine that calls Ahead
	waiting bool       // there was a read that Ahead has not been told of, and that is the last one
	off     int64      // place of that read
	n       int        // length of that read
}

func newServedFile(n NamedFile, log func(error)) *servedFile {
	f := &servedFile{NamedFile: n, log: log}
	f.ahead, _ = n.File.(aheadReader)
	return f
}

// ready lets Ahead be called, with this function.
func (f *servedFile) ready(store storeFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.store = store
}

// wasRead has Ahead called for a read, in a goroutine.
func (f *servedFile) wasRead(off int64, n int) {
	if f.ahead == nil || n == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.store == nil {
		return
	}
	f.off, f.n, f.waiting = off, n, true
	if !f.calling {
		f.calling = true
		f.calls.Go(f.callAhead)
	}
}

// callAhead calls Ahead until no read is waiting.
func (f *servedFile) callAhead() {
	for {
		f.mu.Lock()
		if !f.waiting {
			f.calling = false
			f.mu.Unlock()
			return
		}
		off, n, store := f.off, f.n, f.store
		f.waiting = false
		f.mu.Unlock()
		f.callOnce(off, n, store)
	}
}

// callOnce calls Ahead. Like a fault of a request, one of Ahead must not end the server.
func (f *servedFile) callOnce(off int64, n int, store storeFunc) {
	defer func() {
		if fault := recover(); fault != nil {
			f.log(fmt.Errorf("%v\n%s", fault, debug.Stack()))
		}
	}()
	f.ahead.Ahead(off, n, store)
}
