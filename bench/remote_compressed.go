package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// remoteCompressed compares reading all samples of a compressed remote shard in order, of which nothing is known, with
// the slower one of the same from a local file and the line.
func (b *bench) remoteCompressed(ctx context.Context) (*plan, error) {
	p := new(plan)
	n, err := b.slowNetwork(ctx, p)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	for _, program := range [][]string{{"gzip", "-6"}, {"zstd", "-q"}} {
		suffix, s := ".gz", pictures()
		if program[0] == "zstd" { // which would find that the pictures repeat
			suffix, s = ".zst", photos(2_500)
			s.name = "photos-2500.tar"
		}
		if _, err := exec.LookPath(program[0]); err != nil {
			note("without %s: %v", suffix, err)
			continue
		}
		name, err := b.compressedBy(ctx, s, suffix, program...)
		if err != nil {
			return nil, errors.Join(err, p.end())
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, errors.Join(err, p.end())
		}
		file, label := filepath.Base(name), "format="+suffix[1:]+"/"
		w := work{float64(s.size()) / 1e6, "MB"}
		local := b.mountedFrom(name, s, "-r").visit(step{timed(label+"by=local", w), walkingAsListed(s.bodies())})
		local.prepare = b.forget
		line := n.bareOf(timed(label+"by=line", w), file, info.Size(), 16)
		p.trials = append(p.trials, n.bounded(label, w, local, line)...)
		p.trials = append(p.trials, n.counting(b.walkNew(n, s, file, timed(label+"by=shardfs", w)), info.Size(),
			quantity(label+"requests", "requests/GB"), quantity(label+"bytes", "bytes/byte")))
	}
	return p, nil
}
