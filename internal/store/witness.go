package store

import (
	"context"
	"errors"
	"io/fs"
)

// Witness remembers a version of an object, so that the name can be compared with it later, also after the object was
// closed. The zero Witness has nothing to compare.
type Witness struct {
	store  Store
	name   string // as it was opened
	object Object // possibly closed
}

// WitnessOf returns the witness of an object that was opened in a store by a name.
func WitnessOf(st Store, name string, o Object) Witness { return Witness{st, name, o} }

// Successor is an [Object] whose store can notice more changes than those that make another [Version], such as a write
// after which the modification time was set back.
type Successor interface {
	// Succeeds reports whether nothing was written to the object since was, which has the same Version, was opened.
	Succeeds(was Object) bool
}

// Confirmer is an [Object] that can ask its store about its name, also after Close.
type Confirmer interface {
	// Confirm returns nil if the name stands for the version that was opened. Otherwise the error is ErrChanged, or one of
	// finding out.
	Confirm(ctx context.Context) error
}

// Confirm returns nil if the name still stands for the version that was opened, so that all bytes read until now are of
// that version. Otherwise the error is ErrChanged, or one of finding out. It opens the object again, because network
// file systems ask their server about changes only then, unless the object is a Confirmer.
func (w Witness) Confirm(ctx context.Context) error {
	if w.object == nil {
		return nil
	}
	if c, ok := w.object.(Confirmer); ok {
		return c.Confirm(ctx)
	}
	now, err := w.store.Open(ctx, w.name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotRegular) {
		return ErrChanged
	}
	if err != nil {
		return err
	}
	defer now.Close()
	if now.Version() != w.object.Version() || now.Size() != w.object.Size() {
		return ErrChanged
	}
	if s, ok := now.(Successor); ok && !s.Succeeds(w.object) {
		return ErrChanged
	}
	return nil
}
