package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// The peers of run: shell scripts with GNU tar and xargs, started in an empty directory with the shard as $1 and the
// output as $2. They know the names of the shard's members, and trust them. SHELL and COMMAND are replaced by the shell
// and command for each sample.
const (
	// renameScript does the same as run: every command has a directory with only its sample's files, named sample.EXT.
	renameScript = `
tar xf "$1"
tar tf "$1" | sed 's/\..*//' | uniq >keys
xargs -P2 -n1 SHELL -ec '
	mkdir "$1"
	cd "$1"
	for ext in cls jpg json; do mv "../$1.$ext" "sample.$ext"; done
	COMMAND
	for file in sample.*; do mv "$file" "../$1.${file#sample.}"; done
	cd ..
	rmdir "$1"' SHELL <keys
tar tf "$1" | tar cf "$2" -T -`

	// moveScript keeps the names of the files, so it needs only a shell, mkdir and mv.
	moveScript = `
tar xf "$1"
tar tf "$1" | sed 's/\..*//' | uniq >keys
xargs -P2 -n1 SHELL -ec 'mkdir "of$1"; mv "$1.cls" "$1.jpg" "$1.json" "of$1"; cd "of$1"; COMMAND' SHELL <keys
tar tf "$1" | sed 's,^[^.]*,of&/&,' | tar cf "$2" --transform 's,.*/,,' -T -`

	// transformScript makes tar create the directories and name the files sample.EXT.
	transformScript = `
tar xf "$1" --transform 's,\.,/sample.,'
tar tf "$1" | sed 's/\..*//' | uniq >keys
xargs -P2 -n1 SHELL -ec 'cd "$1"; COMMAND' SHELL <keys
tar tf "$1" | sed 's,\.,/sample.,' | tar cf "$2" --transform 's,/sample\.,.,' -T -`
)

// runTrue compares a command that does nothing, over every sample and packed again, with the same by hand.
func (b *bench) runTrue(ctx context.Context) (*plan, error) {
	return b.byScript(ctx, thumbs(10_000), scriptedJob{shell: "sh", text: "true", renamed: "true"})
}

// runCat is runTrue with a command that reads a file, and bash in the peers. The scripts are slow, so there are fewer
// samples.
func (b *bench) runCat(ctx context.Context) (*plan, error) {
	return b.byScript(ctx, thumbs(2_000), scriptedJob{
		shell: "bash", text: "cat sample.cls >/dev/null", renamed: `cat "$1.cls" >/dev/null`,
	})
}

// A scriptedJob is a command that run and the scripts run in every sample.
type scriptedJob struct {
	shell   string // shell of the scripts
	text    string // the command
	renamed string // the command if files have their members' names and $1 is the key
}

// byScript compares a command over every sample of a shard, packed again, with the same by hand.
func (b *bench) byScript(ctx context.Context, s drawn, j scriptedJob) (*plan, error) {
	name, err := b.draw(ctx, s)
	if err != nil {
		return nil, err
	}
	// The scripts' files stay until everything is measured: deleting many files slows down creating files in the next
	// round.
	dirs, out := b.path("scripts"), b.path("out.tar")
	if err := errors.Join(os.RemoveAll(dirs), os.MkdirAll(dirs, 0o755)); err != nil {
		return nil, err
	}
	p := new(plan)
	p.later(func() error { return errors.Join(os.RemoveAll(dirs), os.RemoveAll(out)) })
	w := work{float64(s.samples), "samples"}
	peer := func(by, script, text string) *trial {
		text = strings.NewReplacer("SHELL", j.shell, "COMMAND", text).Replace(script)
		return scripted(timed("by="+by, w), text, dirs, name, out)
	}
	p.trials = []*trial{
		b.command(timed("by=shardfs", w), "run", "-j", "2", "-c", j.text, "-o", out, name),
		peer("tar-xargs", renameScript, j.text),
		peer("tar-xargs-own-names", moveScript, j.renamed),
		peer("tar-transform-xargs", transformScript, j.text),
	}
	for _, t := range p.trials {
		withOutput(t, out, func() error { return sameNames(out, name) })
	}
	return p, nil
}

// scripted returns a trial that runs a shell script in a new directory below dirs.
func scripted(f *figure, text, dirs, shard, out string) *trial {
	command := fmt.Sprintf("# in an empty directory, with $1 = %s and $2 = %s:%s", shard, out, text)
	return measured(f, command, func(ctx context.Context) (float64, error) {
		dir, err := os.MkdirTemp(dirs, "")
		if err != nil {
			return 0, err
		}
		seconds, _, err := execute(ctx, dir, "sh", "-euc", text, "sh", shard, out)
		return seconds, err
	})
}

// withOutput removes the output before a trial and checks it afterwards; neither is timed.
func withOutput(t *trial, out string, check func() error) {
	t.prepare = func() error { return os.RemoveAll(out) }
	run := t.run
	t.run = func(ctx context.Context) ([]float64, error) {
		values, err := run(ctx)
		if err != nil {
			return nil, err
		}
		return values, check()
	}
}

// sameNames checks that two shards have members with the same names and sizes in the same order.
func sameNames(got, want string) error {
	a, err := list(got)
	if err != nil {
		return err
	}
	b, err := list(want)
	if err != nil {
		return err
	}
	if a != b {
		return fmt.Errorf("%s has other members than %s", got, want)
	}
	return nil
}

// list returns the names and sizes of a shard's members, one per line.
func list(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var lines strings.Builder
	for tr := tar.NewReader(bufio.NewReader(f)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return lines.String(), nil
		}
		if err != nil {
			return "", fmt.Errorf("list %s: %w", name, err)
		}
		fmt.Fprintln(&lines, h.Name, h.Size)
	}
}
