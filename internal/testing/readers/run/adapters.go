package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// adapter returns the command that asks a reader. It reads shards from standard input and prints answers; dir is for
// what it builds.
func adapter(name, sources, dir string) (*exec.Cmd, error) {
	at := func(parts ...string) string { return filepath.Join(append([]string{sources}, parts...)...) }
	if version, ok := strings.CutPrefix(name, "python"); ok {
		return python(at("python", version), "tarfile_.py")
	}
	env := at("python/env")
	switch reader, mode, _ := strings.Cut(name, "-"); reader {
	case "webdataset":
		return python(env, "webdataset_.py", at("webdataset"), mode)
	case "wids":
		return python(env, "wids_.py", at("wids"))
	case "huggingface":
		return python(env, "huggingface.py", at("datasets"))
	case "energon":
		return python(env, "energon.py", at("energon"), mode)
	case "wds2idx":
		return python(env, "dali.py", at(strings.Replace(name, "wds2idx", "dali", 1)))
	case "tarproc":
		return python(env, "tarproc.py", at("tarproc"))
	case "tarp":
		return built("tarp", at("tarp/tarp"), dir, mode)
	case "lhotse":
		return python(env, "lhotse_.py", at("lhotse"))
	case "ray":
		return python(env, "ray.py", at("ray"))
	case "torchdata":
		return python(env, "torchdata_.py", at("torchdata"))
	case "aistore":
		if mode == "pytorch" {
			return python(env, "aistore_.py", at("aistore"))
		}
		return built("aistore", at("aistore"), dir, mode)
	}
	return nil, fmt.Errorf("no adapter")
}

// python returns the command that runs an adapter by the Python in a directory.
func python(in, script string, args ...string) (*exec.Cmd, error) {
	program := filepath.Join(in, "bin/python3")
	if _, err := os.Stat(program); err != nil {
		return nil, err
	}
	script, err := filepath.Abs(filepath.Join("internal/testing/readers/run/adapters", script))
	if err != nil {
		return nil, err
	}
	return exec.Command(program, append([]string{"-W", "ignore", script}, args...)...), nil
}

// built builds an adapter in testdata as if it were a package of a module, which it leaves as it is. The modules that it
// needs come from where the go command gets modules.
func built(name, module, dir, mode string) (*exec.Cmd, error) {
	if _, err := os.Stat(filepath.Join(module, "go.mod")); err != nil {
		return nil, err
	}
	const pkg = "readers-adapter"
	files, err := filepath.Glob(filepath.Join("internal/testing/readers/run/testdata", name, "*.go"))
	if err != nil {
		return nil, err
	}
	overlay := make(map[string]string)
	for _, f := range files {
		if overlay[filepath.Join(module, pkg, filepath.Base(f))], err = filepath.Abs(f); err != nil {
			return nil, err
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	at := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(at, list, 0o644); err != nil {
		return nil, err
	}
	for _, name := range []string{"go.mod", "go.sum"} { // copies, which go may complete
		text, err := os.ReadFile(filepath.Join(module, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // tarp has no go.sum
		}
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return nil, err
		}
	}
	program := filepath.Join(dir, "adapter")
	cmd := exec.Command("go", "build", "-overlay", at, "-modfile", filepath.Join(dir, "go.mod"), "-mod", "mod",
		"-o", program, "./"+pkg)
	cmd.Dir = module
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, last(out, 1000))
	}
	return exec.Command(program, mode), nil
}
