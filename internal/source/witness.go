package source

import (
	"context"
	"fmt"

	"github.com/shardfs/shardfs/internal/store"
)

// Witness remembers the version of a shard that samples were read from, also after its source was closed.
type Witness struct {
	name string
	store.Witness
}

// Confirm returns an error that names the shard if it is not the version that was opened any more.
func (w Witness) Confirm(ctx context.Context) error {
	if err := w.Witness.Confirm(ctx); err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	return nil
}

// Confirm confirms several shards.
func Confirm(ctx context.Context, all []Witness) error {
	for _, w := range all {
		if err := w.Confirm(ctx); err != nil {
			return err
		}
	}
	return nil
}
