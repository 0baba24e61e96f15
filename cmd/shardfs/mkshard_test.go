package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// compressors are the commands for the values of mkshard -z.
var compressors = map[string][]string{
	"gzip": {"gzip", "-nc"},
	"pigz": {"pigz", "-nc", "-p4", "-b128"},
	"python": {"python3", "-c",
		"import gzip, sys; gzip.GzipFile('', 'wb', 6, sys.stdout.buffer, 0).write(sys.stdin.buffer.read())"},
}

// makeShard makes a shard of members in the given order, with the same bytes every time:
//
//	mkshard in.tar a.txt b.txt           # content: the files of these names or, where there are none, the names
//	mkshard in.tar dir/ README link->a   # a directory, a member without extension, a link: none of them in a sample
//	mkshard -z pigz -n 1000 in.tgz       # with samples 0000 to 0999 of a .cls and a .txt each
//	mkshard -size 500000 in.tar a.bin    # content that was made up is so long, and does not compress
//
// A .tgz is compressed by gzip if -z does not say otherwise.
func makeShard(ts *testscript.TestScript, neg bool, args []string) {
	tool, samples, size := "", 0, 0
	var err error
	for err == nil && !neg && len(args) > 1 && strings.HasPrefix(args[0], "-") {
		switch args[0] {
		case "-z":
			tool = args[1]
		case "-n":
			samples, err = strconv.Atoi(args[1])
		case "-size":
			size, err = strconv.Atoi(args[1])
		}
		args = args[2:]
	}
	if err != nil || neg || len(args) == 0 {
		ts.Fatalf("usage: mkshard [-z gzip|pigz|python] [-n SAMPLES] [-size BYTES] SHARD [NAME...]")
	}
	shard, names := args[0], args[1:]
	if tool == "" && strings.HasSuffix(shard, ".tgz") {
		tool = "gzip"
	}
	for n := range samples {
		names = append(names, fmt.Sprintf("%04d.cls", n), fmt.Sprintf("%04d.txt", n))
	}
	var plain bytes.Buffer
	tw := tar.NewWriter(&plain)
	for _, name := range names {
		h, content := newEntry(ts, name, size)
		ts.Check(tw.WriteHeader(&h))
		_, err := tw.Write(content)
		ts.Check(err)
	}
	ts.Check(tw.Close())
	content := plain.Bytes()
	if tool != "" {
		cmd := exec.Command(compressors[tool][0], compressors[tool][1:]...)
		cmd.Stdin = &plain
		if content, err = cmd.Output(); err != nil {
			ts.Fatalf("%s: %v", tool, err)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(shard), content, 0o666))
}

// newEntry returns one entry of a shard.
func newEntry(ts *testscript.TestScript, name string, size int) (tar.Header, []byte) {
	h := tar.Header{
		Typeflag: tar.TypeReg, Name: name, Mode: 0o666, Uid: 1000, Gid: 1000, Uname: "bigdata", Gname: "bigdata",
		ModTime: time.Date(2019, 6, 8, 12, 12, 0, 0, time.UTC),
	}
	if link, target, ok := strings.Cut(name, "->"); ok {
		h.Typeflag, h.Name, h.Linkname = tar.TypeSymlink, link, target
		return h, nil
	}
	if strings.HasSuffix(name, "/") {
		h.Typeflag, h.Mode = tar.TypeDir, 0o777
		return h, nil
	}
	content, err := os.ReadFile(ts.MkAbs(name))
	if err != nil {
		content = []byte(name + "\n")
		if size > 0 {
			content = make([]byte, size)
			var seed [32]byte
			copy(seed[:], name)
			rand.NewChaCha8(seed).Read(content)
		}
	}
	h.Size = int64(len(content))
	return h, content
}
