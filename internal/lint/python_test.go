package lint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

// rawBlock returns a header; fields are pairs of an offset and text.
func rawBlock(kind byte, name string, size int, fields ...any) []byte {
	b := make([]byte, index.BlockSize)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0014524770400\x00        ", size))
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	for i := 0; i+1 < len(fields); i += 2 {
		copy(b[fields[i].(int):], fields[i+1].(string))
	}
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// rawMember returns a header and its content.
func rawMember(kind byte, name, content string, fields ...any) []byte {
	b := append(rawBlock(kind, name, len(content), fields...), content...)
	return append(b, make([]byte, -len(b)&(index.BlockSize-1))...)
}

// record returns a record of an extended header.
func record(key, value string) string {
	n := len(key) + len(value) + 3
	for len(fmt.Sprint(n))+len(key)+len(value)+3 != n {
		n = len(fmt.Sprint(n)) + len(key) + len(value) + 3
	}
	return fmt.Sprintf("%d %s=%s\n", n, key, value)
}

// randomTar returns a tar of odd headers.
func randomTar(r *rand.Rand) []byte {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var b []byte
	for range 1 + r.IntN(5) {
		for range max(0, r.IntN(6)-3) {
			var records string
			for range r.IntN(3) {
				switch r.IntN(4) {
				case 0, 1:
					records += record("path", pick("p.jpg", "q.jpg", "", "r/", "s.jpg/"))
				case 2:
					records += record(pick("comment", "uid", "mtime", "hdrcharset"), pick("x", "1", "BINARY"))
				case 3:
					records += record("size", pick("3", "3", "0"))
				}
			}
			kind := pick("x", "x", "g", "X", "L", "K", "Z")[0]
			if kind == 'L' || kind == 'K' {
				records = pick("long.jpg", "long.jpg\x00", "\x00", "")
			}
			if kind == 'x' {
				records += pick("", "", strings.Repeat("\x00", 600))
			}
			b = append(b, rawMember(kind, "ext", records, oddFields(r, pick)...)...)
		}
		b = append(b, rawMember(pick("0", "0", "0", "\x00", "7", "5")[0], pick("a.jpg", "b.jpg", "d/"), "abc",
			oddFields(r, pick)...)...)
	}
	return append(b, make([]byte, 2*index.BlockSize)...)
}

// oddFields returns a field of a header that is unusual, now and then.
func oddFields(r *rand.Rand, pick func(...string) string) []any {
	if r.IntN(3) > 0 {
		return nil
	}
	number := pick("nobody\x00", "-0000001", "+000001\x00", "0o00017", "00_0001", "_000001", "0x00001",
		"\x80\x00\x00\x00",
		"\xff\xff\xff\xff", "\x81\x00\x00", "  12\x00   ", "12 3\x00   ", "\x00garbage", "\t\n1\x1f\x00",
		"8888888", "       ", "00-0001",
		"1__0\x00", "0o\x00", "0o_7\x00", "+\x00")
	switch r.IntN(4) {
	case 0:
		return []any{[]int{100, 108, 116, 329, 337}[r.IntN(5)], number}
	case 1:
		return []any{136, number}
	case 2:
		return []any{345, pick("prefix", "14524770400\x00"), 257, pick("ustar  \x00", "ustar\x0000",
			"ustar00\x00", "\x00\x00\x00\x00\x00\x00\x00\x00")}
	}
	return []any{297, strings.Repeat("g", 40)}
}

// The members that Python finds are those of its model here.
func TestPython(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	args := []string{"testdata/members.py"}
	var want [][]any
	for len(want) < 1500 {
		plain := randomTar(r)
		found, ok := pythonList(plain)
		if !ok {
			continue
		}
		name := filepath.Join(dir, fmt.Sprintf("%d.tar", len(want)))
		if err := os.WriteFile(name, plain, 0o644); err != nil {
			t.Fatal(err)
		}
		args, want = append(args, name), append(want, found)
	}
	cmd := exec.Command("python3", args...)
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		skip.Without(t, "python3, to compare with")
	}
	if err != nil {
		t.Fatal(err)
	}
	theirs := json.NewDecoder(bytes.NewReader(out))
	fails := 0
	for i := range want {
		var got []any
		if err := theirs.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("%s: the model has %v, Python %v", args[i+1], want[i], got)
		}
		if slices.Contains(want[i], any("fails")) {
			fails++
		}
	}
	if fails < 100 || fails > len(want)/2 {
		t.Errorf("Python fails at %d of %d", fails, len(want))
	}
}

// pythonList returns what Python finds in a tar according to the model; false if a Scanner refuses the tar.
func pythonList(plain []byte) (list []any, ok bool) {
	scanner := index.NewScanner(bytes.NewReader(plain))
	scanner.KeepHeaders()
	var p python
	list = []any{}
	for {
		e, err := scanner.Next()
		if err != nil && err != io.EOF {
			return nil, false
		}
		var m *pyMember
		var why *pyError
		if err == io.EOF {
			why = p.finish(scanner.Headers())
		} else {
			m, why = p.read(e, scanner.Headers())
		}
		if m != nil {
			list = append(list, []any{hex.EncodeToString([]byte(m.name)), m.regular, m.size})
		}
		if why != nil && why.fails {
			list = append(list, "fails")
		}
		if err == io.EOF {
			return list, true
		}
	}
}
