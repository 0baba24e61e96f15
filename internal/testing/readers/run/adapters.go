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
	}
	return nil, fmt.Errorf("no adapter")
}
