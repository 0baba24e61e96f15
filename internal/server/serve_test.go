package server

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/view"
)

func TestSuitsOverlayfs(t *testing.T) {
	var members []string
	for i := range maxListed + 1 {
		members = append(members, fmt.Sprintf("%06d.txt", i))
	}
	for _, tt := range []struct {
		name    string
		members []string
		cut     bool // the second half cannot be read yet
		want    bool
	}{
		{"small", members[:100], false, true},
		{"large", members, false, false},
		{"growing", members[:8000], true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := memory.New()
			plain, err := os.ReadFile(shardtest.Write(t, tt.members...))
			shardtest.Check(t, err)
			st.Put("memory://a.tar", plain)
			wait, _ := memory.Blocked()
			st.SetFault(func(ctx context.Context, r memory.Read) (int, error) {
				if tt.cut && r.Off > int64(len(plain)/2) && r.Off < int64(len(plain)-100_000) {
					return wait(ctx, r)
				}
				return r.Len, nil
			})
			o := shard.Options{Store: st, NoIndex: true, Growing: tt.cut}
			sh, err := shard.Open(t.Context(), "memory://a.tar", o)
			shardtest.Check(t, err)
			defer sh.Close()
			if got := suitsOverlayfs(view.One(sh)); got != tt.want {
				t.Errorf("%d members: %v, want %v", len(tt.members), got, tt.want)
			}
		})
	}
}
