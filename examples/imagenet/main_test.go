package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io"
	"path"
	"strconv"
	"strings"
	"testing"
)

func TestShardHoldsWhatItSays(t *testing.T) {
	var shard bytes.Buffer
	if err := writeShard(&shard, 3, 1); err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(&shard)
	if err != nil {
		t.Fatal(err)
	}
	extensions := make(map[string][]string) // by key
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Format != tar.FormatUSTAR || h.Uname != "bigdata" || h.Mode != 0o644 {
			t.Errorf("%s: format %v, owner %s, mode %o", h.Name, h.Format, h.Uname, h.Mode)
		}
		ext := path.Ext(h.Name)
		key := strings.TrimSuffix(h.Name, ext)
		extensions[key] = append(extensions[key], ext)
		if err := checkMember(ext, h.Size, tr); err != nil {
			t.Errorf("%s: %v", h.Name, err)
		}
	}
	if len(extensions) != 3 {
		t.Errorf("%d keys, want 3", len(extensions))
	}
	for key, exts := range extensions {
		if got := strings.Join(exts, " "); got != ".cls .jpg .json" {
			t.Errorf("%s has %s", key, got)
		}
	}
}

// checkMember reads a member the way a user of its kind of file would.
func checkMember(ext string, size int64, r io.Reader) error {
	switch ext {
	case ".cls":
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		_, err = strconv.Atoi(string(b))
		return err
	case ".jpg":
		if size < 30_000 || size > 120_000 {
			return fmt.Errorf("%d bytes, want a photograph's 30 to 120 thousand", size)
		}
		_, err := jpeg.Decode(r)
		return err
	default:
		return json.NewDecoder(r).Decode(&annotation{})
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	var a, b, c bytes.Buffer
	for _, s := range []struct {
		w    io.Writer
		seed uint64
	}{{&a, 1}, {&b, 1}, {&c, 2}} {
		if err := writeShard(s.w, 2, s.seed); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two shards of one seed differ")
	}
	if bytes.Equal(a.Bytes(), c.Bytes()) {
		t.Error("two seeds give one shard")
	}
}
