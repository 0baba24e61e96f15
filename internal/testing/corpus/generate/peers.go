package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed peers.py
var peers string

// listing is the result of a reader: the name of each regular member, in hexadecimal, and the digest of its content.
type listing [][2]string

func (l listing) equal(other listing) bool { return fmt.Sprint(l) == fmt.Sprint(other) }

// list is the listing of members.
func list(members []member) listing {
	l := listing{}
	for _, m := range members {
		l = append(l, entry(m.name, []byte(m.content)))
	}
	return l
}

func entry(name string, content []byte) [2]string {
	return [2]string{hex.EncodeToString([]byte(strings.TrimRight(name, "/"))),
		fmt.Sprintf("%x", sha256.Sum256(content))}
}

// readAll returns the listings of each file by each reader.
func readAll(files []string) []map[string]listing {
	python := exec.Command("python3", append([]string{"-c", peers}, files...)...)
	python.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	python.Stderr = os.Stderr
	out := must1(python.Output())
	all := make([]map[string]listing, len(files))
	d := json.NewDecoder(bytes.NewReader(out))
	for i, name := range files {
		must(d.Decode(&all[i]))
		all[i]["go"] = withGo(name)
		all[i]["gnutar"] = withGNU(name)
	}
	return all
}

func withGo(name string) listing {
	l := listing{}
	r := tar.NewReader(bytes.NewReader(must1(os.ReadFile(name))))
	for {
		h, err := r.Next()
		if err != nil {
			return l
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeCont && h.Typeflag != tar.TypeGNUSparse {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return l
		}
		l = append(l, entry(h.Name, content))
	}
}

// withGNU makes GNU tar pipe each regular member to a command.
func withGNU(name string) listing {
	dir := must1(os.MkdirTemp("", "corpus"))
	defer os.RemoveAll(dir)
	const script = `exec >>"$LISTING"
		printf %s "$TAR_FILENAME" | od -An -v -tx1 | tr -d ' \n'
		printf ' '
		sha256sum | cut -d' ' -f1`
	found := filepath.Join(dir, "listing")
	cmd := exec.Command("tar", "-P", "-x", "-f", name, "--to-command="+script)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "LISTING="+found)
	cmd.Dir = dir
	cmd.Run() // it fails if it finds damage
	l := listing{}
	text, err := os.ReadFile(found)
	if err != nil {
		return l
	}
	for line := range strings.Lines(string(text)) {
		name, digest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		l = append(l, [2]string{name, digest})
	}
	return l
}
