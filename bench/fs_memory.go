package main

import "context"

// fsMemory says what the server of a shard of a million members, indexed before, has in memory once all names were listed
// and some files read. That is done in one round: it takes long, and varies little.
func (b *bench) fsMemory(ctx context.Context) ([]row, error) {
	const asked = 48 << 20
	s := texts(500_000)
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	if _, _, err := execute(ctx, "", b.shardfs, "index", name); err != nil { // into the cache
		return nil, err
	}
	var mem []memory
	ours := b.mounted(s, &mem, "-r").do(listing("find"), s.files(s.samples/1_000, asSample, "txt").reading(1))
	if err := b.once(ctx, "fs-memory", ours[0]); err != nil {
		return nil, err
	}
	return []row{
		atMost("memory of the server of 1 000 000 members, indexed before, after find and reading 1 000 files, one round",
			[]float64{mem[0].peak}, asked, mebibytes, "# VmHWM in /proc/PID/status of the server of:\n"+ours[1].command),
	}, nil
}
