package source

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/pack"
)

// A total is known when all shards are opened; before, it is in proportion to their sizes, or to their number.
func TestTotal(t *testing.T) {
	dir := t.TempDir()
	var names []Name
	for i, size := range []int64{1000, 3000, 2000} {
		name := filepath.Join(dir, string(rune('a'+i)))
		shardtest.Check(t, os.WriteFile(name, nil, 0o600))
		shardtest.Check(t, os.Truncate(name, size))
		n, err := Resolve(name)
		shardtest.Check(t, err)
		names = append(names, n)
	}
	var remote []Name
	for _, name := range []string{"s3://b/a", "s3://b/b", "s3://b/c"} {
		n, err := Resolve(name)
		shardtest.Check(t, err)
		remote = append(remote, n)
	}
	keys := pack.NewKeys("keys", []string{"a", "b"})
	for _, tt := range []struct {
		names  []Name
		opened []int // samples of those that are opened
		choice pack.Choice
		want   int64
		about  bool
	}{
		{names, nil, pack.Choice{}, 0, true},
		{names, []int{10}, pack.Choice{}, 60, true},
		{names, []int{10, 50}, pack.Choice{}, 90, true},
		{names, []int{10, 50, 7}, pack.Choice{}, 67, false},
		{names, []int{10, 50, 7}, pack.Choice{Skip: 60}, 7, false},
		{names, []int{10, 50, 7}, pack.Choice{Skip: 70}, 0, false},
		{names, []int{10, 50, 7}, pack.Choice{Skip: 60, Keys: keys}, 2, false},
		{names, []int{10}, pack.Choice{Count: 5}, 5, true},
		{names, []int{0}, pack.Choice{}, 0, true},                                        // it does not know
		{[]Name{names[0], {Kind: Stream, Text: "-"}}, []int{10}, pack.Choice{}, 0, true}, // of unknown size
		{remote, []int{10}, pack.Choice{}, 30, true},
		{remote, []int{10, 50}, pack.Choice{}, 90, true},
		{remote, []int{10, 50, 7}, pack.Choice{}, 67, false},
		{append(slices.Clone(remote), names[0]), []int{10}, pack.Choice{}, 40, true},
		{append(slices.Clone(remote), Name{Kind: Stream, Text: "-"}), []int{10}, pack.Choice{}, 0, true},
	} {
		total := NewTotal(tt.names)
		for i, n := range tt.opened {
			total.Opened(i, n)
		}
		if got, about := total.Chosen(tt.choice); got != tt.want || about != tt.about {
			t.Errorf("%d opened, %+v: %d, %t, want %d, %t", len(tt.opened), tt.choice, got, about, tt.want, tt.about)
		}
	}
}
