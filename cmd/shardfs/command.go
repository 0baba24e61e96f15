package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/cgroup"
	"github.com/shardfs/shardfs/internal/job"
	"github.com/shardfs/shardfs/internal/runner"
)

// setCommand sets the options of a job that are about its command. Programs and scripts of this directory are named by
// absolute paths, unless the command runs in this directory itself.
func (o *runFlags) setCommand(j *job.Options) (err error) {
	if j.Jobs = int(o.jobs); j.Jobs == 0 {
		j.Jobs = cgroup.CPUs()
	}
	here := o.batch > 0 || o.worker
	switch {
	case len(o.argv) == 0:
		text := o.command
		if own, rest := o.ownProgram(); own != "" && !here {
			// The shell finds the program's name in $0, for which a job puts its absolute path.
			j.Argv, j.Script = []string{o.shell, "-c", `"$0"` + rest, own}, 3
			text = rest
		} else {
			j.Argv = runner.CommandLine(o.shell, text, o.batch > 0)
		}
		if !here {
			j.Hint = hintForText(text)
		}
	case here:
		j.Argv = o.argv
	default:
		j.Argv, j.Script, err = callersFiles(o.argv)
	}
	return err
}

// jobsFlag is a number of parallel commands as a flag; 0 stands for as many as there are CPUs.
type jobsFlag int

// String and Type implement pflag.Value.
func (j *jobsFlag) String() string { return "" }
func (j *jobsFlag) Type() string   { return "jobs" }

// Set implements pflag.Value.
func (j *jobsFlag) Set(text string) error {
	n, err := parseJobs(text, cgroup.CPUs())
	*j = jobsFlag(n)
	return err
}

// parseJobs parses a number of parallel commands: N, a percentage of the CPUs, or auto (also 0) for all of them.
func parseJobs(text string, cpus int) (int, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.Atoi(number)
	switch {
	case text == "auto":
		return cpus, nil
	case err != nil || n < 0 || n > 1<<20 || percent && n == 0:
		return 0, errors.New("a number, auto, or a percentage of the CPUs such as 50%")
	case n == 0:
		return cpus, nil
	case percent:
		return max(cpus*n/100, 1), nil
	}
	return n, nil
}

// callersFiles returns a command in which the program, if its name has a slash, has its absolute path, because the
// command will run in other directories. Script is the number of the first argument that names a script in this
// directory; 0 if there is none.
func callersFiles(argv []string) (absolute []string, script int, err error) {
	absolute = slices.Clone(argv)
	if strings.ContainsRune(argv[0], '/') {
		if absolute[0], err = filepath.Abs(argv[0]); err != nil {
			return nil, 0, err
		}
	}
	script = 1 + slices.IndexFunc(argv[1:], isScript)
	return absolute, script, nil
}

// ownProgram returns the path of a program or script of this directory with which the text of a command begins, and the
// rest of the text; "" if it begins with something else.
func (o *runFlags) ownProgram() (path, rest string) {
	text := strings.TrimLeft(o.command, " \t\n")
	end := len(text) - len(strings.TrimLeft(text, runner.PlainBytes))
	path, rest = text[:end], text[end:]
	ends := rest == "" || strings.ContainsRune(" \t\n;|&<>", rune(rest[0]))
	if ends && strings.ContainsRune(path, '/') && isScript(path) && slices.Contains(shells, filepath.Base(o.shell)) {
		return path, rest
	}
	return "", ""
}

// shells are those in whose commands "$0" is the argument after the text.
var shells = []string{"sh", "ash", "bash", "busybox", "dash", "ksh", "mksh", "zsh"}

// scripts are the extensions of programs that others run.
var scripts = []string{".sh", ".py", ".pl", ".rb", ".R", ".r", ".js", ".mjs", ".ts", ".lua", ".jl", ".php", ".jar"}

// isScript reports whether a word is the relative path of a program or script in this directory, and not the name of a
// file that every sample may have.
func isScript(word string) bool {
	if word == "" || filepath.IsAbs(word) || strings.HasPrefix(word, "-") || isSampleFile(filepath.Clean(word)) {
		return false
	}
	info, err := os.Stat(word)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	return info.Mode()&0o111 != 0 || slices.Contains(scripts, filepath.Ext(word)) || hasInterpreter(word)
}

// isSampleFile reports whether a name is one that files of samples have.
func isSampleFile(name string) bool {
	_, _, member := index.SplitFile(name)
	return member || name == index.KeyFile || name == index.SourceFile
}

// hasInterpreter reports whether a file begins with the line that names its interpreter.
func hasInterpreter(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	var begin [2]byte
	_, err = io.ReadFull(f, begin[:])
	return err == nil && string(begin[:]) == "#!"
}

// hintForText returns what to say if a shell command fails that names a program or script of this directory; "" if it
// names none.
func hintForText(text string) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n;|&()<>'\"`=", r) })
	i := slices.IndexFunc(words, isScript)
	if i < 0 {
		return ""
	}
	return fmt.Sprintf(`commands run in the sample's directory: use "$PWD/%s"`, filepath.Clean(words[i]))
}
