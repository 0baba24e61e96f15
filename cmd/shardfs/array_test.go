package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/array"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/ui"
)

// arrayOf returns the array of a command line, and what is said about it.
func arrayOf(t *testing.T, args ...string) (*array.Array, string, error) {
	t.Helper()
	var said strings.Builder
	g := &globals{UI: &ui.UI{Out: io.Discard, Err: &said}}
	g.stores = newStores(g.UI)
	f := arrayFlags{cpus: 2, tasks: 1000, maxArgs: 100, maxList: 5000}
	var a *array.Array
	cmd := &cobra.Command{
		Use: "k8s " + arrayArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err = g.useDefaults(cmd); err == nil {
				a, err = f.array(t.Context(), g, cmd, args)
			}
			return err
		},
	}
	f.add(cmd.Flags(), g)
	g.add(cmd.PersistentFlags())
	cmd.SetFlagErrorFunc(flagError)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return a, said.String(), err
}

func TestArrayFlags(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	shardtest.Check(t, os.WriteFile("list", []byte("# two\n/d/x.tar\n\n/d/y-{1..2}.tar\n"), 0o600))
	for _, name := range []string{"o-1.tar", "o-3.tar"} {
		shardtest.Check(t, os.WriteFile(name, []byte("x"), 0o600))
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, "/d/n-{000..199}.tar\n")
	}))
	defer web.Close()
	for _, tt := range []struct {
		line, want string // after shardfs run; spaces separate
	}{
		{"-o o-{name}.tar /d/s-{0..9}.tar -c true",
			"--task=auto --stride=10 --command=true --jobs=2 --output=o-{name}.tar /d/s-{0..9}.tar"},
		{"-o o-{index}.tar s3://b/{x,y}.tar -j 50% -- ls -l -- x",
			"--task=auto --stride=2 --jobs=50% --output=o-{index}.tar s3://b/{x,y}.tar -- ls -l -- x"},
		{"one.tar -o out.tar -c true", "--task=auto --stride=1 --command=true --jobs=2 --output=out.tar one.tar"},
		{"--shards-per-task 4 -o {name}.tar s-{0..9}.tar -c true",
			"--task=auto --stride=3 --command=true --jobs=2 --output={name}.tar s-{0..9}.tar"},
		{"-o {name}.tar s-{0..2000}.tar -c true",
			"--task=auto --stride=667 --command=true --jobs=2 --output={name}.tar s-{0..2000}.tar"},
		{"--sample-retries 2 --allow-empty --timeout 90s -o {name}.tar a.tar -c x",
			"--task=auto --stride=1 --command=x --jobs=2 --output={name}.tar --allow-empty=true " +
				"--timeout=90s --retries=2 a.tar"},
		{"@list -o {index}.tar -c x", "--task=auto --stride=3 --command=x --jobs=2 --output={index}.tar @/list"},
		{"--only-missing /d/{0..4}.tar -o o-{name}.tar -c x",
			"--task=0,2,4 --stride=5 --command=x --jobs=2 --output=o-{name}.tar /d/{0..4}.tar"},
		{"--only-missing --shards-per-task 2 /d/{1..4}.tar -o o-{name}.tar -c x",
			"--task=1 --stride=2 --command=x --jobs=2 --output=o-{name}.tar /d/{1..4}.tar"},
		{"--only-missing /d/{5..9}.tar -o o-{name}.tar -c x",
			"--task=auto --stride=5 --command=x --jobs=2 --output=o-{name}.tar /d/{5..9}.tar"},
		{"@" + web.URL + "/list -o {index}.tar -c x",
			"--task=auto --stride=200 --command=x --jobs=2 --output={index}.tar @/list"},
	} {
		a, said, err := arrayOf(t, strings.Fields(tt.line)...)
		if err != nil || said != "" {
			t.Errorf("%s: %v, %s", tt.line, err, said)
			continue
		}
		want := strings.Fields("shardfs run " + tt.want)
		if got := a.Argv("shardfs", "/list"); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", tt.line, strings.Join(got, " "), strings.Join(want, " "))
		}
	}
}

// A list that is too long for the job is read by the tasks, if they can read it.
func TestArrayLongList(t *testing.T) {
	t.Chdir(t.TempDir())
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		io.WriteString(w, "/d/n-{0000..0999}.tar\n")
	}))
	defer web.Close()
	list := "@" + web.URL + "/list"
	a, said, err := arrayOf(t, list, "-o", "{name}.tar", "-c", "x")
	shardtest.Check(t, err)
	if !slices.Equal(a.Shards, []string{list}) || a.List != nil || !strings.Contains(said, "must stay as it is") {
		t.Errorf("%q, a list of %d bytes, %s", a.Shards, len(a.List), said)
	}
	shardtest.Check(t, os.WriteFile("list", []byte("/d/n-{0000..0999}.tar\n"), 0o600))
	if _, _, err := arrayOf(t, "@list", "-o", "{name}.tar", "-c", "x"); err == nil ||
		err.Error() != "1000 shards: their names take 14000 bytes, at most 5000 are possible" {
		t.Error(err)
	}
}

func TestArrayNoneMissing(t *testing.T) {
	t.Chdir(t.TempDir())
	shardtest.Check(t, os.WriteFile("o-1.tar", []byte("x"), 0o600))
	_, _, err := arrayOf(t, "--only-missing", "/d/1.tar", "-o", "o-{name}.tar", "-c", "x")
	if !errors.Is(err, errNoneMissing) {
		t.Error(err)
	}
}

// What run would refuse is refused before there is a job.
func TestArrayMistakes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct{ line, want string }{
		{"a.tar -c x", "-o is missing: where should the outputs go?"},
		{"-o {name}.tar -c x", "no shard: name one, or many"},
		{"a.tar -o {name}.tar", "-c COMMAND or -- ARGV is missing: which command should be run?"},
		{"a.tar -o - -c x", "-o -: tasks publish files and objects, not streams"},
		{"- -o {name}.tar -c x", "-: tasks have no standard input"},
		{"{a,b}.tar -o out.tar -c x", "-o out.tar: the tasks over 2 shards would all write it"},
		{"{a,b}.tar -o {name}.zip -c x",
			"{name}.zip: the name of an output ends in .tar, .tar.gz, .tgz, .tar.zst or .tzst"},
		{"{a,b}/x.tar -o {name}.tar -c x",
			"-o {name}.tar: x.tar would be the output of two shards, a/x.tar and b/x.tar"},
		{"{a,b} -o {name}.tar -c x --report r", "--report r: the tasks over 2 shards would all write it"},
		{"{a,b} -o {name}.tar -c x --on-error skip --failed f.tar",
			"--failed f.tar: the tasks over 2 shards would all write it"},
		{"a -o {name}.tar -c x --on-error never", "--on-error never: stop, skip or keep"},
		{"a -o {name}.tar -c x --shards-per-task -1", "--shards-per-task -1: at least 1"},
		{"{0..9999} -o {name}.tar -c x --shards-per-task 3",
			"--shards-per-task 3: 10000 shards would be 3334 tasks, at most 1000 are possible"},
		{"a -o {name}.tar -c x --parallelism 0", "--parallelism 0: at least 1"},
		{"a -o {name}.tar -c x --resume", "unknown flag: --resume"},
		{"a -o {name}.tar -c x --count 3", "unknown flag: --count"},
		{"a -o {name}.tar -c x --keys k --allow-empty",
			"--task: --keys needs --missing-keys ignore and --allow-empty: a shard may have none of them"},
		{"a -o {name}.tar -c x --task 3", "unknown flag: --task"},
		{"pipe:x -o {index}.tar -c x", "pipe:x: only with --allow-pipe"},
	} {
		if _, _, err := arrayOf(t, strings.Fields(tt.line)...); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v\nwant %s", tt.line, err, tt.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct{ file, said, err string }{
		{"", "", ""},
		{"# nothing\n", "", ""},
		{"slurm: {name: x}\n", "", ""},
		{"k8s:\n  name: x\n  parallelism: 3\n  env: [A=1, B=2]\n  jobs: 50%\n  only-missing: true\n",
			"shardfs: .shardfs.yaml: --name, --parallelism, --env, --jobs, --only-missing\n", ""},
		{"k8s:\n  output: no.tar\n", "", ""}, // flags win
		{"k8s:\n  nam: x\n", "", ".shardfs.yaml:2: k8s has no flag --nam"},
		{"k8s:\n  help: true\n", "", ".shardfs.yaml:2: k8s has no flag --help"},
		{"k9s:\n  name: x\n", "", ".shardfs.yaml:1: k9s is no section: they are k8s or slurm"},
		{"k8s: 3\n", "", ".shardfs.yaml:1: not a map of keys and values"},
		{"- k8s\n", "", ".shardfs.yaml:1: not a map of keys and values"},
		{"k8s:\n  parallelism: many\n", "", `.shardfs.yaml:2: --parallelism many: not a number`},
		{"k8s:\n  name:\n", "", ".shardfs.yaml:2: name: neither a text nor a number"},
		{"k8s:\n  name: ''\n", "", "--name: its value is empty"},
		{"k8s:\n  name: [a, b]\n", "", ".shardfs.yaml:2: name: a list, and --name is given once"},
		{"k8s:\n  name: a\n  name: b\n", "", ".shardfs.yaml:3: name is there twice"},
		{"k8s: &a\n  name: {b: c}\nslurm: *a\n", "", ".shardfs.yaml:3: not a map of keys and values"},
		{"k8s:\n\tname: a\n", "", ".shardfs.yaml: line 2: found character that cannot start any token"},
		{"k8s: {}\n" + strings.Repeat("#", maxDefaults), "", ".shardfs.yaml: over 1048576 bytes"},
	} {
		shardtest.Check(t, os.WriteFile(defaultsFile, []byte(tt.file), 0o600))
		_, said, err := arrayOf(t, "/d/{0..4}.tar", "-o", "o-{name}.tar", "--", "x")
		text := ""
		if err != nil {
			text = err.Error()
		}
		if said != tt.said || text != tt.err {
			t.Errorf("%.60q:\n%s%s\nwant\n%s%s", tt.file, said, text, tt.said, tt.err)
		}
		if err != nil && exitStatus(err) != exitUsage {
			t.Errorf("%.60q: exit status %d", tt.file, exitStatus(err))
		}
	}
	shardtest.Check(t, os.Remove(defaultsFile))
	shardtest.Check(t, os.Mkdir(defaultsFile, 0o700))
	_, _, err := arrayOf(t, "a.tar", "-o", "o.tar", "-c", "x")
	if err == nil || err.Error() != ".shardfs.yaml: not a regular file" {
		t.Error(err)
	}
}
