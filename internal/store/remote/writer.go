package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/shardfs/shardfs/internal/store"
)

// writer writes an object of an [Uploader]: in parts while it is written or, if it fits in one part, by one request.
//
// The object that was there when it began, or nothing, has to be there still at the end: the last request says so where
// the store has such conditions, so that of two writers one publishes. Whether this one has is never concluded from what
// the server answers, but by looking for its write id, unless one request without repetition has written it.
type writer struct {
	st       *Store
	e        *Engine
	name     string
	place    *Place
	up       Upload
	writeID  string
	was      *version // what had the name at the beginning; nil for nothing
	on       Condition
	o        store.Options
	transfer *transfer
	spool    *spool // of a resumable writer; else nil

	written int64
	copied  int64       // of them, in the store
	copies  bool        // bytes of the same store were written, so that some may be copied
	reads   bool        // the store does not copy
	now     *piece      // is being filled; nil before the first byte
	retried atomic.Bool // whether a request was sent more than once
	orphan  bool        // there may be another upload: its name was lost with an answer, or it was only just aborted
	refused int         // how often the store has said that the version is not there, which is
	tried   bool        // whether the last request was sent
	done    bool        // committed or aborted
}

// Create implements [store.Store]. It ends all other uploads of the same name: there can be only one writer of a name.
func (s *Store) Create(ctx context.Context, name string, o store.Options) (store.Writer, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	uploader, ok := s.s.(Uploader)
	if !ok {
		scheme, _ := store.Split(name)
		return nil, &store.ReadOnlyError{Scheme: scheme}
	}
	if o.Resumable && o.PartDir == "" {
		return nil, errors.ErrUnsupported
	}
	t, err := s.locate(ctx, name)
	if err != nil {
		return nil, err
	}
	w := &writer{st: s, e: s.e, name: name, place: t.home, o: o}
	if err := w.begin(ctx, uploader); err != nil {
		if w.transfer != nil {
			w.transfer.end()
		}
		return nil, err
	}
	if w.spool != nil {
		w.transfer.file, w.transfer.dir = w.spool.File.File, w.o.PartDir
	}
	return w, nil
}

// begin looks what has the name, and removes what is left of other writers.
func (w *writer) begin(ctx context.Context, uploader Uploader) (err error) {
	if err := w.open(ctx, uploader); err != nil {
		return err
	}
	if w.was, err = w.look(ctx); err != nil {
		return err
	}
	switch {
	case w.was != nil && !w.o.Replace:
		return store.ErrExists
	case w.was == nil:
		w.on.Absent = true
	case w.was.pin.Strong:
		w.on.Was = &w.was.pin
	default:
		w.weak("the server does not tell versions apart for certain")
	}
	if err := w.clear(ctx, w.transfer.upload); err != nil {
		return err
	}
	if w.o.Try && w.transfer.limits.Tells && w.transfer.upload == "" {
		if err := w.try(ctx); err != nil {
			return w.explain(err)
		}
	}
	if !w.o.Resumable {
		return nil
	}
	w.spool, err = newSpool(w.o.PartDir, w.name)
	return err
}

// try begins an upload, and ends it.
func (w *writer) try(ctx context.Context) error {
	upload, err := w.beginUpload(ctx)
	if err != nil {
		return err
	}
	if err := w.up.Abort(ctx, upload); err != nil {
		w.e.o.Warn(fmt.Sprintf("an unfinished upload is left, which the next writer of the object removes: %v", err))
	}
	return nil
}

// beginUpload begins an upload.
func (w *writer) beginUpload(ctx context.Context) (string, error) {
	w.retried.Store(false)
	upload, err := w.up.Begin(ctx, w.on, w.copies)
	w.orphan = w.orphan || w.retried.Load()
	return upload, err
}

// open makes the transfer: one that continues an upload of an interrupted writer, if there is one, or a new one.
func (w *writer) open(ctx context.Context, uploader Uploader) (err error) {
	abandoned := ""
	if w.o.Resumable {
		if old, ok := parseUnfinished(w.name, w.o.Continue); ok && old.upload != "" {
			if ok, err := w.resume(ctx, uploader, old); ok || err != nil {
				return err
			}
			abandoned = old.upload
			w.orphan = true // as in clear
		}
	}
	w.writeID = rand.Text()
	w.up, err = uploader.Upload(ctx, w.name, w.writeID, w.send)
	if err != nil {
		return err
	}
	w.transfer = newTransfer(ctx, w.up, w.e.memory)
	if abandoned == "" {
		return nil
	}
	if err := w.up.Abort(ctx, abandoned); err != nil {
		w.e.o.Warn(fmt.Sprintf("an unfinished upload of the interrupted command is left: %v", err))
	}
	return nil
}

// resume continues an upload, and reports whether there are parts of it.
func (w *writer) resume(ctx context.Context, uploader Uploader, old unfinished) (bool, error) {
	up, err := uploader.Upload(ctx, w.name, old.writeID, w.send)
	if err != nil {
		return false, err
	}
	lister, ok := up.(PartLister)
	if !ok {
		return false, nil
	}
	parts, err := lister.Parts(ctx, old.upload)
	if errors.Is(err, ErrNoUpload) || len(parts) == 0 && err == nil {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w.writeID, w.up, w.transfer = old.writeID, up, newTransfer(ctx, up, w.e.memory)
	w.transfer.upload, w.transfer.known = old.upload, make(map[int]Part)
	w.orphan = true // a part of the interrupted writer may come after the end
	for _, p := range parts {
		w.transfer.known[p.Number] = p
	}
	return true, nil
}

// send sends a request of the upload.
func (w *writer) send(ctx context.Context, r *Request) (*Reply, error) {
	reply, err := w.e.Send(ctx, r)
	if err != nil || reply.Tries > 1 {
		w.retried.Store(true)
	}
	return reply, err
}

// weak says that another process may publish at the same time.
func (w *writer) weak(why string) {
	if w.o.Weak != nil {
		w.o.Weak(why + ": if another process writes the same object at the same time, the last one wins")
	}
}

// look returns the version that has the name, or nil if none has.
func (w *writer) look(ctx context.Context) (*version, error) {
	now, _, err := newTarget(w.e, w.place).first(ctx, make([]byte, 1))
	switch {
	case errors.Is(err, ErrNoBucket):
		return nil, noDirError{err}
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	}
	return now, err
}

// clear ends the uploads of the same name but one, which is "" for none: killed processes have left them. Where that is not
// permitted, or the server does not list them, the user is told.
func (w *writer) clear(ctx context.Context, but string) error {
	lister, ok := w.st.s.(UploadLister)
	if !ok {
		return nil
	}
	left, err := lister.Unfinished(ctx, w.name, w.send)
	for _, u := range left {
		if err == nil && u.Name == w.name && u.Upload != but {
			err = w.up.Abort(ctx, u.Upload)
			w.orphan = true // a part on its way may bring it back
		}
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported) {
		if w.o.Weak != nil {
			w.o.Weak(fmt.Sprintf("what killed processes have left there unfinished is not removed: %v", err))
		}
		return nil
	}
	return err
}

// Write implements [store.Writer]. A full part is sent when another byte comes after it, so that the last one, which may
// be the only one, is there at the end.
func (w *writer) Write(p []byte) (n int, err error) {
	if w.done {
		return 0, fs.ErrClosed
	}
	for err == nil && n < len(p) {
		if w.now != nil && w.now.full() {
			err = w.flush()
		}
		if err == nil && w.now == nil {
			w.now, err = w.transfer.next()
		}
		if err == nil {
			var m int
			m, err = w.now.write(p[n:])
			n += m
			w.written += int64(m)
		}
	}
	if err == nil && w.transfer.ctx.Err() != nil {
		err = context.Cause(w.transfer.ctx)
	}
	return n, w.explain(err)
}

// Written implements [store.Writer].
func (w *writer) Written() int64 { return w.written }

// flush begins to send the piece that is being filled, if there is one, and before the first one the upload.
func (w *writer) flush() error {
	if w.transfer.upload == "" {
		upload, err := w.beginUpload(w.transfer.ctx)
		if err != nil {
			return err
		}
		w.transfer.upload = upload
	}
	if w.now != nil {
		w.transfer.send(w.now)
		w.now = nil
	}
	return nil
}

// explain returns what an error of a part means.
func (w *writer) explain(err error) error {
	switch {
	case errors.Is(err, ErrNoUpload):
		return errAborted
	case errors.Is(err, ErrCondition):
		return errTaken
	case errors.Is(err, ErrNoBucket):
		return noDirError{err}
	}
	return err
}

// Abort implements [store.Writer].
func (w *writer) Abort() error {
	if w.done {
		return nil
	}
	w.end()
	return errors.Join(w.remove(), w.removeSpool(false))
}

// end ends the writing.
func (w *writer) end() {
	w.done = true
	w.transfer.end()
	if w.now != nil {
		w.transfer.free(w.now)
		w.now = nil
	}
}

// removeSpool removes the spool, if there is one.
func (w *writer) removeSpool(published bool) error {
	if w.spool == nil {
		return nil
	}
	return bare(w.spool.remove(published))
}

// remove removes what has been uploaded, also when all contexts have ended. If it cannot, the user is told.
func (w *writer) remove() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.transfer.ctx), w.e.o.Ending)
	defer cancel()
	var err error
	if upload := w.transfer.upload; upload != "" {
		w.orphan = true // as in clear
		err = w.up.Abort(ctx, upload)
	}
	if err != nil {
		w.e.o.Warn(fmt.Sprintf("an unfinished upload is left, which the next writer of the object removes: %v", err))
	}
	w.forget(ctx)
	return err
}

// forget removes all uploads of the name at the end, if there may be others than this writer's, or its own again. It takes no
// longer than Options.Ending.
func (w *writer) forget(ctx context.Context) {
	if !w.orphan {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, w.e.o.Ending)
	defer cancel()
	if err := w.clear(ctx, ""); err != nil {
		w.e.o.Warn(fmt.Sprintf("an unfinished upload may be left: %v", err))
	}
}
