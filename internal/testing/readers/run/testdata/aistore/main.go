// Prints what AIStore finds, as common.py in ../../adapters says: the members that it lists and reads by name, or with the
// argument wdskey, those that it selects by the key of each. It is built inside AIStore's module.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/NVIDIA/aistore/cmn/archive"
	"github.com/NVIDIA/aistore/cmn/cos"
)

type answer struct {
	Shard   string      `json:"shard"`
	Members [][2]string `json:"members"`
	Error   string      `json:"error,omitempty"`
}

func latin(s string) string {
	runes := make([]rune, len(s))
	for i := 0; i < len(s); i++ {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func member(name string, r io.Reader) ([2]string, error) {
	content, err := io.ReadAll(r)
	sum := sha256.Sum256(content)
	return [2]string{latin(name), hex.EncodeToString(sum[:4])}, err
}

// collector keeps the members that a reader selects.
type collector struct{ found [][2]string }

func (c *collector) Call(name string, r cos.ReadCloseSizer, _ any) (bool, error) {
	m, err := member(name, r)
	c.found = append(c.found, m)
	return false, err
}

// open returns a reader of a shard, as a target opens one for each request.
func open(name string) (archive.Reader, *os.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	mime, err := archive.MimeFile(f, nil, "", name)
	if err != nil {
		return nil, f, err
	}
	r, err := archive.NewReader(mime, f)
	return r, f, err
}

// read returns the members of a shard.
func read(name string, wdskey bool) (found [][2]string, err error) {
	list, err := archive.List(name)
	if err != nil {
		return nil, err
	}
	asked := make(map[string]bool)
	for _, e := range list {
		r, f, err := open(name)
		if err != nil {
			return found, err
		}
		if wdskey {
			dir, base := path.Split(e.Name)
			key, _, _ := strings.Cut(base, ".")
			if key = dir + key; !asked[key] && key != "" {
				asked[key] = true
				c := collector{}
				err = r.ReadUntil(&c, key, "wdskey")
				found = append(found, c.found...)
			}
		} else if one, e2 := r.ReadOne(e.Name); e2 != nil || one == nil {
			err = fmt.Errorf("%s is not found: %w", e.Name, e2)
		} else {
			var m [2]string
			m, err = member(e.Name, one)
			found = append(found, m)
		}
		f.Close()
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

func main() {
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for in.Scan() {
		var s struct {
			Shard, Dir string
			Files      []string
		}
		if err := json.Unmarshal(in.Bytes(), &s); err != nil {
			panic(err)
		}
		if err := os.Chdir(s.Dir); err != nil {
			panic(err)
		}
		a := answer{Shard: s.Shard, Members: [][2]string{}}
		for _, name := range s.Files {
			found, err := read(name, os.Args[1] == "wdskey")
			a.Members = append(append(a.Members, found...), [2]string{})
			if err != nil {
				a.Error = err.Error()
				a.Error = a.Error[:min(len(a.Error), 100)]
				break
			}
		}
		out.Encode(a)
	}
}
