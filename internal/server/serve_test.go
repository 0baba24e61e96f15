package server

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/fusefs"
	"github.com/shardfs/shardfs/internal/overlayfs"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/store/memory"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/ui"
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

// By itself a mount is shown by EROFS only if that looks the same as by FUSE.
func TestSuitsEROFS(t *testing.T) {
	if !overlayfs.MayMount() {
		skip.Without(t, "the right to mount")
	}
	ascending := []string{"a.txt", "b.txt", "b/c.txt", "c.txt"}
	for _, tt := range []struct {
		name    string
		members []string
		o       fusefs.Options
		remote  bool
		why     string // in the error, if the user has not asked for EROFS
		whyAsk  string // and if he has
	}{
		{name: "ascending", members: ascending},
		{name: "empty"},
		{name: "descending", members: []string{"b.txt", "a.txt"}, why: "order of the tar"},
		{name: "nested, descending", members: []string{"a/b.txt", "a/a.txt"}, why: "order of the tar"},
		{name: "remote", members: ascending, remote: true, why: "read ahead"},
		{
			name: "option of FUSE", members: ascending,
			o:   fusefs.Options{MountOptions: fusefs.ParseMountOptions([]string{"max_read=4096"})},
			why: "only FUSE", whyAsk: "only FUSE",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sh := shardtest.Open(t, tt.members...)
			s := &server{Options: Options{Names: []string{"a.tar"}}, ui: &ui.UI{}}
			if tt.remote {
				s.Names[0] = "https://localhost/a.tar"
			}
			for base, why := range map[Base]string{BaseAuto: tt.why, BaseKernel: tt.whyAsk} {
				s.Base = base
				switch _, err := s.newKernelBase(view.One(sh), tt.o); {
				case (err == nil) != (why == ""):
					t.Errorf("%s: %v, want an error with %q", base, err, why)
				case err != nil && !strings.Contains(err.Error(), why):
					t.Errorf("%s: %v, want an error with %q", base, err, why)
				}
			}
		})
	}
}

// While a server mounts, requests find a processor, and afterwards it has as many as before.
func TestWithProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, tt := range []struct{ before, want int }{{1, processorsToMount}, {2, processorsToMount}, {8, 8}} {
		runtime.GOMAXPROCS(tt.before)
		back := withProcessors(processorsToMount)
		if got := runtime.GOMAXPROCS(0); got != tt.want {
			t.Errorf("with %d: %d, want %d", tt.before, got, tt.want)
		}
		if back(); runtime.GOMAXPROCS(0) != tt.before {
			t.Errorf("with %d: %d afterwards", tt.before, runtime.GOMAXPROCS(0))
		}
	}
}
