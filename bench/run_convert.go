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

// runConvert compares what shardfs was made for, pictures converted from JPEG to PPM in every sample and packed, with the most
// that two processors can do: twice what the same commands do on one of them, one after the other, in directories.
func (b *bench) runConvert(ctx context.Context) (rows []row, err error) {
	s := jpegs(500)
	binary, err := b.build(ctx, "examples/jpg2ppm")
	if err != nil {
		return nil, err
	}
	defer os.Remove(binary)
	converters := []struct{ what, text string }{{"our jpg2ppm", quote([]string{binary}) + " sample.jpg sample.ppm"}}
	if path, err := exec.LookPath("djpeg"); err == nil {
		converters = append(converters, struct{ what, text string }{"djpeg", quote([]string{path}) + " -outfile sample.ppm sample.jpg"})
	} else {
		note("run-convert: without djpeg: %v", err)
	}
	for _, c := range converters {
		more, err := b.converting(ctx, s, c.what, c.text)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// converting is runConvert for one converter.
func (b *bench) converting(ctx context.Context, s shard, what, text string) (rows []row, err error) {
	plain, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	packed, err := b.compressed(ctx, s)
	if err != nil {
		return nil, err
	}
	want, err := list(plain)
	if err != nil {
		return nil, err
	}
	want = asPPM(want)
	out := b.path("out.tar")
	defer os.Remove(out)
	job := text + " && rm sample.jpg"
	ours := func(name string) *side {
		made := command(b.shardfs, "run", "-j", "2", "-c", job, "-o", out, name)
		withOutput(made, out, func() error {
			got, err := list(out)
			if err == nil && got != want {
				err = fmt.Errorf("%s does not hold the pictures as PPM", out)
			}
			return err
		})
		return made
	}
	root := b.path("pictures")
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	anew := func(s *side) *side {
		s.prepare = func() error { return errors.Join(os.RemoveAll(root), extract(ctx, plain, root)) }
		return s
	}
	ofPlain, ofPacked := ours(plain), ours(packed)
	limit, alone, loop := anew(onOneCore(root, job)), anew(onOneCore(root, text)), anew(looping(s, root, 2, "sh", "-c", job))
	ourTime, bareTime := metered(ofPlain), metered(limit)
	if err := b.interleave(ctx, "run-convert: "+what, ofPlain, limit, ofPacked, alone, loop); err != nil {
		return nil, err
	}
	w := work{float64(s.samples), "samples"}
	return []row{
		versus(fmt.Sprintf("JPEG to PPM by %s and rm, 500 samples, 2 at a time, and pack; peer: twice the same on one core in directories", what),
			w, ofPlain, limit, 0.95),
		versus("its processor time", w, ourTime, bareTime, 0),
		versus("the same from a .tgz", w, ofPacked, limit, 0),
		versus("the first; peer: twice the converter on one core, and no rm", w, ofPlain, alone, 0),
		versus("the first; peer: the same 2 at a time in directories, by a loop in Go", w, ofPlain, loop, 0),
	}, nil
}

// onOneCore is a side that runs a command in each directory in root, one after the other, on one processor. It is given half
// the time that it takes: what two processors would take if they did not disturb each other.
func onOneCore(root, text string) *side {
	argv := []string{"taskset", "-c", "0", "sh", "-euc", `for dir in "$1"/*; do cd "$dir"; ` + text + `; done`, "sh", root}
	return &side{
		command: quote(argv) + " # half of its time",
		run: func(ctx context.Context) (float64, error) {
			seconds, _, err := execute(ctx, "", argv...)
			return seconds / 2, err
		},
	}
}

// metered returns what is to be compared with others in place of a side: the processor time of all that it started, which other
// work on the machine changes less than the time it takes.
func metered(s *side) *side {
	used := func() (float64, error) {
		var u syscall.Rusage
		err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &u)
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9, err
	}
	m := &side{command: "# processor time of: " + s.command}
	run := s.run
	s.run = func(ctx context.Context) (float64, error) {
		before, err := used()
		if err != nil {
			return 0, err
		}
		seconds, err := run(ctx)
		if err != nil {
			return 0, err
		}
		after, err := used()
		m.took = append(m.took, after-before)
		return seconds, err
	}
	return m
}

// asPPM is a list of members in which each picture of 640 x 480 has become a PPM, which as a new one comes last.
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
