package main

import (
	"context"
	"os/exec"
	"slices"
)

// packing is how a shard of the measure Decode is compressed, and what else decodes it.
type packing struct {
	format string // in the names of figures
	suffix string
	by     []string // the program that compresses it; it reads a file and writes to standard output with -c
	peers  []tool
}

// tool is a program that decodes a shard, whose name comes after its arguments.
type tool struct {
	name string // in the names of figures
	argv []string
}

var packings = []packing{
	{"bzip2", ".bz2", []string{"bzip2"},
		[]tool{{"bzip2", []string{"bzip2", "-dc"}}, {"lbzip2", []string{"lbzip2", "-dc"}}}},
	{"xz", ".xz", []string{"xz", "-T1"}, []tool{{"xz", []string{"xz", "-dc", "-T0"}}}},
	{"xz-blocks", ".4MiB.xz", []string{"xz", "-T2", "--block-size=4MiB"},
		[]tool{{"xz", []string{"xz", "-dc", "-T0"}}, {"xz-T1", []string{"xz", "-dc", "-T1"}}}},
	{"zstd", ".zst", []string{"zstd", "-q"}, []tool{{"zstd", []string{"zstd", "-q", "-dc"}}}},
}

// decode compares the first pass over shards in the formats other than gzip, for which there is Inflate, with the tools
// that decode them: on one core, and on all. Tools that are not installed are left out.
func (b *bench) decode(ctx context.Context) (*plan, error) {
	p := new(plan)
	for _, of := range []struct {
		name  string
		shard drawn
	}{{"pictures", portraits(400)}, {"texts", essays(6_000)}} {
		w := work{float64(of.shard.size()) / 1e6, "MB"}
		for _, packing := range packings {
			name, err := b.compressedBy(ctx, of.shard, packing.suffix, packing.by...)
			if err != nil {
				return nil, err
			}
			prefix := "of=" + of.name + "/format=" + packing.format + "/cores="
			p.trials = append(p.trials, b.decoders(packing, name, w, prefix+"one/by=", "taskset", "-c", "0")...)
			p.trials = append(p.trials, b.decoders(packing, name, w, prefix+"all/by=")...)
		}
	}
	return p, nil
}

// decoders returns the trials of a shard, as arguments of a program that starts them, if there is one.
func (b *bench) decoders(of packing, name string, w work, prefix string, start ...string) (list []*trial) {
	add := func(by string, argv ...string) *trial {
		t := unread(timed(prefix+by, w), slices.Concat(start, argv, []string{name})...)
		list = append(list, metered(t, timed(prefix+by+"/cpu", w)))
		return t
	}
	add("shardfs", b.shardfs, "index", "--index", "none").program = true
	for _, peer := range of.peers {
		if _, err := exec.LookPath(peer.argv[0]); err != nil {
			note("Decode: without %s, which is not installed", peer.argv[0])
			continue
		}
		add(peer.name, peer.argv...)
	}
	return list
}
