package source

import (
	"github.com/shardfs/shardfs/internal/claim"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store"
)

// Claim claims the files that are read when the names are opened.
func Claim(f *claim.Files, names []Name, o Options) {
	for _, n := range names {
		switch n.Kind {
		case Shard:
			claimShard(f, n, o.Shard)
		case Dir:
			claimDir(f, n, o)
		case Stream:
			if n.Text == Stdin && o.Stdin != nil {
				f.ReadFile("standard input", o.Stdin)
			}
		}
	}
}

func claimShard(f *claim.Files, n Name, o shard.Options) {
	f.Read("the shard "+n.String(), n.Text)
	if !o.NoIndex && o.IndexFile == "" {
		f.Read("the sidecar of the shard "+n.String(), store.Beside(n.Text, shard.SidecarSuffix))
	}
}

// claimDir claims the files in a directory. Those at the top of one that has sample directories belong to no sample.
func claimDir(f *claim.Files, n Name, o Options) {
	if _, mounted, err := mounts.At(n.Path); mounted && err == nil {
		f.OwnMount("the mount "+n.String(), n.Path)
		return
	}
	depth := 2
	if o.Folder != nil {
		depth = 1
	}
	f.ReadBelow("the directory "+n.String()+", which is read", n.Path, depth)
}

// ClaimList claims the files of lists among the arguments of Expand.
func ClaimList(f *claim.Files, args []string) {
	for _, arg := range args {
		if file, ok := listFile(arg); ok {
			f.Read("the list of shards "+store.Redact(file), file)
		}
	}
}
