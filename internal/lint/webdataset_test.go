package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// verdict is what testdata/webdataset.py prints for a shard.
type verdict struct {
	Samples  int      `json:"samples"`
	Skipped  []string `json:"skipped"`
	Refused  []string `json:"refused"`
	Returned []string `json:"returned"`
}

// The samples, and the members that WebDataset skips, refuses or separates from their samples, are those of its rule
// in Python.
func TestWebDataset(t *testing.T) {
	dir := t.TempDir()
	var tars [][]string
	for _, tt := range members {
		if len(tt.tar) > 0 && len(tt.tar) < 20 {
			tars = append(tars, tt.tar)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	for range 400 {
		var names []string
		for range 1 + r.IntN(12) {
			names = append(names, pick("", "", "d/", "d.v/", "./", "/", "__m__/", "d/__m__/", "x\n/", "x.y\n/")+
				pick("a", "A", "b", "é", "", ".", "__meta__", "a.b")+
				pick(".x", ".X", ".y", "", ".", "..x", ".__key__", ".__URL__", ".é", ".É", ".x\n")+
				pick("", "", "", "", "", "", "", "->", "=>"))
		}
		tars = append(tars, slices.DeleteFunc(names, func(name string) bool {
			return name == "" || strings.HasSuffix(name, "/")
		}))
	}
	args := []string{"testdata/webdataset.py"}
	var shards [][]byte
	for i, names := range tars {
		shards = append(shards, makeTar(t, names...))
		name := filepath.Join(dir, fmt.Sprintf("%d.tar", i))
		if err := os.WriteFile(name, shards[i], 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	cmd := exec.Command("python3", args...)
	cmd.Env = append(os.Environ(), "PYTHONIOENCODING=utf-8:surrogateescape")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		skip.Without(t, "python3, to compare with")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	theirs := json.NewDecoder(bytes.NewReader(out))
	seen := verdict{}
	for i, plain := range shards {
		var want verdict
		if err := theirs.Decode(&want); err != nil {
			t.Fatal(err)
		}
		slices.Sort(want.Skipped)
		if got := verdictOf(t, plain); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, for WebDataset %#v", tars[i], got, want)
		}
		seen.Samples += want.Samples
		seen.Skipped = append(seen.Skipped, want.Skipped...)
		seen.Refused = append(seen.Refused, want.Refused...)
		seen.Returned = append(seen.Returned, want.Returned...)
	}
	if min(seen.Samples, len(seen.Skipped), len(seen.Refused), len(seen.Returned)) < 50 {
		t.Errorf("too little to compare: %d samples, %d members skipped, %d refused, %d returned",
			seen.Samples, len(seen.Skipped), len(seen.Refused), len(seen.Returned))
	}
}

// verdictOf returns the findings in a shard as testdata/webdataset.py prints them.
func verdictOf(t *testing.T, plain []byte) verdict {
	t.Helper()
	v := verdict{Skipped: []string{}, Refused: []string{}, Returned: []string{}}
	refused := int64(-1)
	s := New(func(f Finding) error {
		name := strings.ToValidUTF8(f.Member, "\ufffd")
		switch f.Code {
		case Meta, Hidden, NoExtension, Newline:
			v.Skipped = append(v.Skipped, name)
		case DuplicateExtension, ReservedExtension:
			fails := slices.Contains(f.Claims(), Claim{f.Code, f.Variant, "webdataset", Fails})
			if !fails || f.Offset == refused {
				break // it may be both
			}
			v.Refused, refused = append(v.Refused, name), f.Offset
		case KeyReturns:
			v.Returned = append(v.Returned, name)
		}
		return nil
	}).Open("a.tar")
	if err := s.Read(bytes.NewReader(plain)); err != nil {
		t.Fatal(err)
	}
	v.Samples = s.Samples()
	slices.Sort(v.Skipped) // one amid a sample is reported after the next member
	return v
}
