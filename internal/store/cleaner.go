package store

import (
	"context"
	"iter"
	"time"
)

// Leftover is what a writer that has ended without Commit and Abort has left of an object.
type Leftover struct {
	Name      string    // that the object would have got, as a user would write it
	At        string    // what it is, for messages: the path of a temporary file, or the name of an upload
	Size      int64     // bytes that it takes; 0 if that is not known
	Time      time.Time // when it was written last or, if the store does not tell, begun
	Resumable bool      // it was kept on purpose, see [Resumable]
}

// Cleaner is a [Store] that can remove what writers have left. CleanerFor finds it among several.
type Cleaner interface {
	// Clean removes leftovers of objects whose names begin with prefix: those for which may returns true, as far as the
	// store can tell that they are of writers of this program, and that none is at work on them. It yields each when it
	// is removed. An error ends the sequence: fs.ErrNotExist if what should hold the objects is not there. Objects of
	// which the rest of the name has a slash may be passed over.
	Clean(ctx context.Context, prefix string, may func(Leftover) bool) iter.Seq2[Leftover, error]
}

// CleanerFor returns what cleans the store in st of a name. It is false where nothing is left in that store, or nothing
// can be removed.
func CleanerFor(st Store, name string) (Cleaner, bool) {
	s, _ := storeFor(st, name)
	c, ok := s.(Cleaner)
	return c, ok && MayCreate(st, name) == nil
}
