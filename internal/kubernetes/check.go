package kubernetes

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shardfs/shardfs/internal/ui"
)

// maxHostname is the greatest length of the name of a pod's host, which is the name of its Job and its index.
const maxHostname = 63

// Linux starts no program with a longer argument or variable, and many in all.
const (
	maxArg  = 128<<10 - 1
	maxArgs = 512 << 10
)

// check returns a usage error if parts of a Job that has a name do not fit together.
func (j *Job) check() error {
	last := strconv.Itoa(j.Array.Starts() - 1)
	most := maxHostname - len("-"+last)
	switch {
	case len(j.Name) > most:
		return ui.Usagef("--name %s: %d characters, at most %d: pods are named NAME-%s",
			j.Name, len(j.Name), most, last)
	case j.Array.Starts() > MaxTasks:
		return ui.Usagef("%d tasks: at most %d", j.Array.Starts(), MaxTasks)
	case j.Retries < 0 || j.Retries > math.MaxInt32:
		return ui.Usagef("--retries %d: from 0 to %d", j.Retries, math.MaxInt32)
	case j.MaxFailedIndexes > j.Array.Starts():
		return ui.Usagef("--max-failed-indexes %d: there are %d tasks", j.MaxFailedIndexes, j.Array.Starts())
	case j.Deadline < 0 || j.TTL < 0 || seconds(j.Deadline) > math.MaxInt32 || seconds(j.TTL) > math.MaxInt32:
		return ui.Usagef("--deadline and --ttl: from 0 to %d seconds", math.MaxInt32)
	case j.Scratch.InMemory && j.Scratch.Size.Value > j.Memory.Value:
		return ui.Usagef("--scratch-size %s:memory: more than --memory %s, of which it is a part",
			j.Scratch.Size.Text, j.Memory.Text)
	case j.FUSE != FUSE{} && j.User != User{Given: true}:
		return ui.Usagef("--fuse: only root can mount, which is --user 0")
	}
	if err := j.checkVariables(); err != nil {
		return err
	}
	if err := j.checkVolumes(); err != nil {
		return err
	}
	return j.checkTexts()
}

func (j *Job) checkVariables() error {
	seen := make(map[string]bool)
	for _, v := range j.Env {
		if seen[v.Name] {
			return ui.Usagef("--env %s: given twice", v.Name)
		}
		seen[v.Name] = true
	}
	seen = make(map[string]bool)
	for _, l := range j.NodeSelector {
		if seen[l.Name] {
			return ui.Usagef("--node-selector %s: given twice", l.Name)
		}
		seen[l.Name] = true
	}
	seen = make(map[string]bool)
	for _, d := range j.Devices {
		if seen[d.Resource] || d.Resource == j.FUSE.Resource {
			return ui.Usagef("--gpu %s: given twice", d.Resource)
		}
		seen[d.Resource] = true
	}
	return nil
}

// checkVolumes returns an error if two volumes are mounted at one place, or one in another to which nothing can be added.
func (j *Job) checkVolumes() error {
	within := func(v, other volume) bool { return other.readOnly && strings.HasPrefix(v.path, other.path+"/") }
	volumes := j.all()
	for i, v := range volumes {
		for _, other := range volumes[:i] {
			if v.path == other.path || within(v, other) || within(other, v) {
				return ui.Usagef("%s: another volume is mounted at %s", v.path, other.path)
			}
		}
	}
	return nil
}

// checkTexts returns an error for texts that a manifest cannot have, or with which no program starts.
func (j *Job) checkTexts() error {
	total := 0
	all := j.Array.Argv(j.program(), listDir+"/"+listFile)
	for _, v := range j.Env {
		all = append(all, v.Name+"="+v.Value)
	}
	for _, text := range append(all, string(j.Array.List)) {
		if !utf8.ValidString(text) {
			return ui.Usagef("%.60q: not UTF-8, and a manifest can have nothing else", text)
		}
	}
	for _, text := range all {
		if total += len(text) + 1; len(text) > maxArg {
			shown, _, _ := strings.Cut(text, "=")
			err := ui.Usagef("%.40s: %d bytes, at most %d: no program starts with more", shown, len(text), maxArg)
			if strings.HasPrefix(text, "--task=") {
				return ui.WithHint(err, "without --only-missing tasks skip what is there")
			}
			return ui.WithHint(err, "a program or script in the image can be longer")
		}
	}
	if total > maxArgs {
		return ui.Usagef("the arguments take %d bytes, at most %d", total, maxArgs)
	}
	return nil
}
