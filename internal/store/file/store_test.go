package file

import (
	"testing"

	"github.com/shardfs/shardfs/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		dir := t.TempDir()
		return storetest.Harness{Store: local, Prefix: dir + "/", List: func() []string { return names(t, dir) }}
	})
}
