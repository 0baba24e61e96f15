package shard

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// overwritingStore changes files when they have been opened.
type overwritingStore struct {
	file.Store
	change func(name string) error
}

func (s overwritingStore) Open(ctx context.Context, name string) (store.Object, error) {
	o, err := s.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	return o, s.change(name)
}

// A shard that is changed while it is being opened is not called damaged, whatever is there then.
func TestOverwrittenWhileOpened(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(name string) error
		want   error
	}{
		{"garbage", func(name string) error {
			return os.WriteFile(name, bytes.Repeat([]byte("x"), 4096), 0)
		}, store.ErrChanged},
		{"cut", func(name string) error { return os.Truncate(name, 700) }, store.ErrChanged},
		{"empty", func(name string) error { return os.Truncate(name, 0) }, store.ErrChanged},
		{"replaced", func(name string) error {
			return errors.Join(os.WriteFile(name+".new", []byte("x"), 0o600), os.Rename(name+".new", name))
		}, nil},
		{"unchanged", func(string) error { return nil }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := save(t, makeTar(t, 3, 100))
			s, err := Open(t.Context(), name, Options{Store: overwritingStore{change: tt.change}})
			if !errors.Is(err, tt.want) || errors.Is(err, index.ErrNotTar) || errors.Is(err, index.ErrTruncated) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if err == nil {
				s.Close()
			}
		})
	}
}
