package main

import (
	"bufio"
	stdgzip "compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/codec"
)

// inflate compares the processor time of decoding .tar.gz on one core with that of other decoders: those of Go in this
// process, others as programs, if they are installed.
func (b *bench) inflate(ctx context.Context) (*plan, error) {
	p := new(plan)
	for _, of := range []struct {
		name  string
		shard drawn
	}{{"pictures", pictures()}, {"texts", prose(20_000)}} {
		name, err := b.compressed(ctx, of.shard)
		if err != nil {
			return nil, err
		}
		size := of.shard.size()
		w := work{float64(size) / 1e6, "MB"}
		figure := func(by string) *figure { return timed("of="+of.name+"/by="+by+"/cpu", w) }
		for _, d := range decoders {
			p.trials = append(p.trials, measured(figure(d.name), "# "+d.what+", 256 KiB at a time, of "+name,
				func(context.Context) (float64, error) { return d.time(name, size) }))
		}
		for _, program := range []string{"igzip", "libdeflate-gunzip", "pigz", "gzip"} {
			if _, err := exec.LookPath(program); err != nil {
				continue
			}
			elapsed := timed("of="+of.name+"/by="+program, w)
			p.trials = append(p.trials, metered(unread(elapsed, program, "-dc", name), figure(program)))
		}
	}
	return p, nil
}

// A goDecoder decodes gzip in this process.
type goDecoder struct {
	name string
	what string
	open func(io.Reader) (io.Reader, error)
}

var decoders = []goDecoder{
	{"shardfs", "codec.Reader", func(r io.Reader) (io.Reader, error) {
		return codec.NewReader(codec.Gzip, r, codec.Options{})
	}},
	{"klauspost", "gzip.Reader of klauspost/compress", func(r io.Reader) (io.Reader, error) {
		return gzip.NewReader(r)
	}},
	{"std", "gzip.Reader of the standard library", func(r io.Reader) (io.Reader, error) {
		return stdgzip.NewReader(r)
	}},
}

// time returns the seconds of processor time that decoding a file took, which must give so many bytes.
func (d goDecoder) time(name string, want int64) (float64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := threadSeconds()
	if err != nil {
		return 0, err
	}
	z, err := d.open(bufio.NewReaderSize(f, 64<<10))
	if err != nil {
		return 0, err
	}
	n, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{z}, make([]byte, 256<<10)) // without its WriterTo
	if err == nil && n != want {
		err = fmt.Errorf("%s: decoded to %d bytes, want %d", name, n, want)
	}
	if err != nil {
		return 0, err
	}
	after, err := threadSeconds()
	return after - before, err
}

// threadSeconds returns how much processor time this thread has used.
func threadSeconds() (float64, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_THREAD, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, err
}
