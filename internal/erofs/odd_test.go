package erofs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/corpus"
	"github.com/shardfs/shardfs/internal/testing/oddshards"
	"github.com/shardfs/shardfs/internal/view"
)

// nested returns members of keys in directories of odd shapes.
func nested() (all []member) {
	all = some("a.txt", "a/b.txt", "a/b/c.txt", "!.txt", "-.txt", ".-/x.txt", ".../x.txt", "./x.txt", "//x.txt")
	for i := range 200 { // more in the directory of a sample than a block has, in no order
		all = append(all, some(fmt.Sprintf("a/%03d.txt", i*77%200))...)
	}
	for i := range 2000 {
		all = append(all, some(fmt.Sprintf("large/%04d.txt", i))...)
	}
	for i := range 70 { // in the order of the shard between others
		all = append(all, some(fmt.Sprintf("x/%02d.txt", i), fmt.Sprintf("y/%02d.txt", 99-i))...)
		all = append(all, some(fmt.Sprintf("p%d/q/r.txt", i))...)
	}
	return all
}

// TestMountOdd compares mounts of unusual samples, with the shard as device.
func TestMountOdd(t *testing.T) {
	in := needErofs(t)
	long := strings.Repeat("k", 255)
	var longNames, longKeys, extensions []member
	for i := range 100 {
		key := fmt.Sprintf("%s%02d", long[2:], i)
		longNames = append(longNames, some(key+".txt", key+"."+long)...)
		longKeys = append(longKeys, some(fmt.Sprintf("%s/%03d.txt", strings.Repeat(long+"/", i/4), i))...)
		extensions = append(extensions, some(fmt.Sprintf("e.%02d%s", i, strings.Repeat("x", i*2)))...)
	}
	times := some("a.txt", "b.txt", "c.txt", "d.txt", "e.txt", "f.txt")
	for i, at := range []time.Time{
		time.Unix(0, 0), time.Unix(-1, 0), time.Unix(1<<32-1, 0), time.Unix(1<<32, 0), time.Unix(1, 5),
		time.Unix(1<<40, 7),
	} {
		times[i].mtime = at
	}
	blocks := some("b.txt")
	for _, n := range []int{0, 1, 511, 512, 513, 4095, 4096, 4097, 70_000} {
		content := strings.Repeat("0123456789", n/10+1)[:n]
		blocks = append(blocks, member{fmt.Sprintf("b.%d", n), content, time.Unix(1, 0)})
	}
	for _, tt := range []struct {
		name    string
		members []member
	}{
		{"nested", nested()},
		{"long names", longNames},
		{"long keys", longKeys},
		{"many extensions", extensions},
		{"times", times},
		{"sizes", blocks},
		{"long key in no directory", some(strings.Repeat("k", 9000)+".txt", "z.txt")},
		{"the same extension", slices.Concat(some("a.txt", "a.txt", "a.txt"), some("b.%41", "b.%", "b.a/x"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := viewOf(t, tt.members)
			m := imageOf(t, v, Options{Verify: true})
			compare(t, mounted(t, in, m, v.Shard.Path()), v, Options{})
		})
	}
	t.Run("a long path of the shard", func(t *testing.T) {
		name := t.TempDir()
		for len(name) < 3000 {
			name = filepath.Join(name, long)
		}
		check(t, os.MkdirAll(name, 0o700))
		name = filepath.Join(name, "shard.tar")
		write(t, name, some("a.txt", "b.txt"))
		v := open(t, name)
		compare(t, mounted(t, in, imageOf(t, v, Options{}), name), v, Options{})
	})
}

// TestMountCorpus compares mounts of all archives of the corpus and of all odd shards that are shards, with the shard as
// device where that can be, else with Bytes.
func TestMountCorpus(t *testing.T) {
	in := needErofs(t)
	mount := func(name string) bool {
		sh, err := shard.Open(t.Context(), name, shard.Options{AllowTruncated: true})
		if err != nil {
			return false
		}
		defer func() { check(t, sh.Close()) }()
		v := view.New(sh)
		t.Run(filepath.Base(name), func(t *testing.T) {
			m, device := imageOf(t, v, Options{}), ""
			if m.InShard() && sh.Format == codec.Plain {
				device = name
			}
			compare(t, mounted(t, in, m, device), v, Options{})
		})
		return true
	}
	n := 0
	for _, a := range corpus.Archives(t) {
		if mount(a.File(t, t.TempDir())) {
			n++
		}
	}
	for _, odd := range oddshards.All() {
		for _, f := range odd.Files {
			name := filepath.Join(t.TempDir(), filepath.Base(f.Path))
			check(t, os.WriteFile(name, f.Data, 0o600))
			if mount(name) {
				n++
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d shards were opened", n)
	}
}
