package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// runConvert measures the main use of shardfs: pictures in every sample are converted from JPEG to PPM, and packed. It
// compares that with the most that two processors can do: twice the speed of the same commands on one processor, one
// after the other, in directories.
func (b *bench) runConvert(ctx context.Context) (*plan, error) {
	s := jpegs(500)
	binary, err := b.build(ctx, "examples/jpg2ppm")
	if err != nil {
		return nil, err
	}
	p := new(plan)
	converters := []struct{ by, text string }{{"jpg2ppm", quote([]string{binary}) + " sample.jpg sample.ppm"}}
	if path, err := exec.LookPath("djpeg"); err == nil {
		converters = append(converters, struct{ by, text string }{"djpeg", quote([]string{path}) +
			" -outfile sample.ppm sample.jpg"})
	} else {
		note("RunConvert: without djpeg: %v", err)
	}
	for _, c := range converters {
		if err := b.converting(ctx, p, s, c.by, c.text); err != nil {
			return nil, errors.Join(err, p.end())
		}
	}
	return p, nil
}

// converting adds the trials of one converter.
func (b *bench) converting(ctx context.Context, p *plan, s drawn, by, text string) error {
	plain, err := b.draw(ctx, s)
	if err != nil {
		return err
	}
	packed, err := b.compressed(ctx, s)
	if err != nil {
		return err
	}
	out, root := b.path("out.tar"), b.path("pictures")
	p.later(func() error { return errors.Join(os.RemoveAll(out), os.RemoveAll(root)) })
	w := work{float64(s.samples), "samples"}
	took := func(what string) *figure { return timed("converter="+by+"/"+what, w) }
	job := text + " && rm sample.jpg"
	ours := func(what, name string) *trial {
		t := metered(b.command(took(what), "run", "-j", "2", "-c", job, "-o", out, name), took(what+"/cpu"))
		withOutput(t, out, func() error { return sameAsPPM(out, plain) })
		return t
	}
	fresh := func(t *trial) *trial {
		t.prepare = func() error { return errors.Join(os.RemoveAll(root), extract(ctx, plain, root)) }
		return t
	}
	p.trials = append(p.trials,
		ours("by=shardfs", plain),
		fresh(metered(onOneCore(took("by=one-core-twice"), root, job), took("by=one-core-twice/cpu"))),
		ours("by=shardfs-tgz", packed),
		fresh(onOneCore(took("by=one-core-twice-without-rm"), root, text)),
		fresh(looping(took("by=go-loop"), s, root, 2, "sh", "-c", job)),
	)
	return nil
}

// onOneCore returns a trial that runs a command in each directory in root, one after the other, on one processor. Its
// value is half of the time taken: the time of two processors that do not disturb each other.
func onOneCore(f *figure, root, text string) *trial {
	argv := []string{"taskset", "-c", "0", "sh", "-euc", `for dir in "$1"/*; do cd "$dir"; ` + text + `; done`, "sh",
		root}
	return measured(f, quote(argv)+" # half of its time", func(ctx context.Context) (float64, error) {
		seconds, _, err := execute(ctx, "", argv...)
		return seconds / 2, err
	})
}

// metered adds a figure to a trial: the processor time of all its processes, which other work on the machine affects
// less than the elapsed time.
func metered(t *trial, cpu *figure) *trial {
	used := func() (float64, error) {
		var u syscall.Rusage
		err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u)
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, err
	}
	run := t.run
	t.figures = append(t.figures, cpu)
	t.run = func(ctx context.Context) ([]float64, error) {
		before, err := used()
		if err != nil {
			return nil, err
		}
		values, err := run(ctx)
		if err != nil {
			return nil, err
		}
		after, err := used()
		return append(values, after-before), err
	}
	return t
}

// sameAsPPM checks that a shard holds the pictures of another one as PPM.
func sameAsPPM(got, of string) error {
	want, err := list(of)
	if err != nil {
		return err
	}
	is, err := list(got)
	if err == nil && is != asPPM(want) {
		err = fmt.Errorf("%s does not hold the pictures as PPM", got)
	}
	return err
}

// asPPM returns a list of members in which each picture of 640 x 480 was replaced by a PPM, which comes last as a new
// member.
func asPPM(list string) string {
	var b strings.Builder
	for line := range strings.Lines(list) {
		name, _, _ := strings.Cut(line, " ")
		key, ext, _ := strings.Cut(name, ".")
		if ext != "jpg" {
			b.WriteString(line)
		}
		if ext == "json" {
			fmt.Fprintln(&b, key+".ppm", len("P6\n640 480\n255\n")+640*480*3)
		}
	}
	return b.String()
}
