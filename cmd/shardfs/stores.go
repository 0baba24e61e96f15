package main

import (
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/file"
)

// stores returns the stores of shards, by the schemes of their names.
func stores() store.Store {
	return store.ByScheme(map[string]store.Store{
		store.FileScheme: file.Store{},
	})
}
