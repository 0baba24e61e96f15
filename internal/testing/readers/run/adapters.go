package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// adapter returns the command that asks a reader. It reads shards from standard input and prints answers; dir is for
// what it builds.
func adapter(name, sources, dir string) (*exec.Cmd, error) {
	at := func(parts ...string) string { return filepath.Join(append([]string{sources}, parts...)...) }
	if version, ok := strings.CutPrefix(name, "python"); ok {
		return command(at("python", version, "bin/python3"), "tarfile_.py")
	}
	env := at("python/env/bin/python3")
	switch reader, mode, _ := strings.Cut(name, "-"); reader {
	case "webdataset":
		return command(env, "webdataset_.py", at("webdataset"), mode)
	case "wids":
		return command(env, "wids_.py", at("wids"))
	case "huggingface":
		return command(env, "huggingface.py", at("datasets"))
	case "wds2idx":
		return command(env, "dali.py", at(strings.Replace(name, "wds2idx", "dali", 1)))
	case "energon":
		return command(env, "energon.py", at("energon"), mode)
	case "tarproc":
		return command(env, "tarproc.py", at("tarproc"))
	case "lhotse":
		return command(env, "lhotse_.py", at("lhotse"))
	case "ray":
		return command(env, "ray.py", at("ray"))
	case "torchdata":
		return command(env, "torchdata_.py", at("torchdata"))
	}
	return nil, fmt.Errorf("no adapter")
}
