package web_test

import (
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store/remote"
	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/store/web"
	"github.com/shardfs/shardfs/internal/testing/servers"
)

// Files of nginx are read as the contract of stores has it, also while they are replaced.
func TestStore(t *testing.T) {
	server := servers.Nginx(t)
	e := remote.NewEngine(remote.Options{})
	t.Cleanup(e.Close)
	open := func(t *testing.T) storetest.Harness {
		return storetest.Harness{
			Store:  remote.New(e, web.Service{}),
			Prefix: server.URL + "/" + strings.ReplaceAll(t.Name(), " ", "%20") + "/",
			Put: func(t *testing.T, name string, data []byte) {
				server.Put(t, strings.ReplaceAll(strings.TrimPrefix(name, server.URL), "%20", " "), data)
			},
		}
	}
	storetest.Run(t, open)
	t.Run("overwrite", func(t *testing.T) { storetest.Overwrite(t, open) })
}
