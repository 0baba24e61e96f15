package fusefs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shardfs/shardfs/internal/testing/testtime"
	"golang.org/x/sys/unix"
)

// Reads of a shard that is damaged while it is mounted fail or return the old content, never other bytes; and the log
// gets one line.
func TestShardChanged(t *testing.T) { withChanges(t, testShardChanged) }

func testShardChanged(t *testing.T, kind string) {
	var members []member
	for i := range 50 {
		// Incompressible data, so that the file is as large as its content.
		noise := make([]byte, 20_000)
		for j, x := 0, uint32(i+1); j < len(noise); j++ {
			x ^= x << 13
			x ^= x >> 17
			x ^= x << 5
			noise[j] = byte(x)
		}
		members = append(members, member{fmt.Sprintf("s%02d.bin", i), string(noise)})
	}
	other := make([]member, len(members))
	for i, m := range members {
		other[i] = member{m.name, strings.Repeat("\x00", len(m.content))}
	}
	for _, shard := range []string{"shard.tar", "shard.tar.gz"} {
		whole := filepath.Join(t.TempDir(), shard)
		writeShard(t, whole, members)
		for _, tt := range []struct {
			name   string
			damage func(t *testing.T, name string)
		}{
			{"truncated", func(t *testing.T, name string) {
				st, err := os.Stat(name)
				check(t, err)
				check(t, os.Truncate(name, st.Size()/2))
			}},
			{"emptied", func(t *testing.T, name string) { check(t, os.Truncate(name, 0)) }},
			{"grown", func(t *testing.T, name string) {
				f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
				check(t, err)
				_, err = f.WriteString("more")
				check(t, errors.Join(err, f.Close()))
			}},
			{"rewritten in place", func(t *testing.T, name string) { writeShard(t, name, other) }},
			{"overwritten with zeros", func(t *testing.T, name string) {
				f, err := os.OpenFile(name, os.O_WRONLY, 0)
				check(t, err)
				_, err = f.WriteAt(make([]byte, 500_000), 1000)
				check(t, errors.Join(err, f.Close()))
			}},
		} {
			t.Run(shard+"/"+tt.name, func(t *testing.T) {
				name := filepath.Join(t.TempDir(), shard)
				write(t, name, read(t, whole))
				check(t, os.Chtimes(name, time.Now(), time.Now().Add(-time.Hour)))
				m := mountShard(t, name, kind)
				write(t, m.path("s00/mine"), "mine")
				if got := read(t, m.path("s01/sample.bin")); got != members[1].content {
					t.Fatal("before the damage, the content is another")
				}
				tt.damage(t, name)
				failed := 0
				for i, want := range members {
					path := m.path(fmt.Sprintf("s%02d/sample.bin", i))
					got, err := os.ReadFile(path)
					switch {
					case errors.Is(err, unix.EIO), errors.Is(err, unix.ESTALE):
						failed++
					case err != nil || string(got) != want.content:
						t.Errorf("%s: %v, and holds %d bytes, %.20q", want.name, err, len(got), got)
					}
					// A change needs the old content, and must fail without it.
					if err := os.Chmod(path, 0o600); err != nil && !errors.Is(err, unix.EIO) &&
						!errors.Is(err, unix.ESTALE) {
						t.Errorf("%s: chmod: %v", want.name, err)
					}
				}
				if failed == 0 {
					t.Error("nothing failed: the test proves nothing")
				}
				if got := read(t, m.path("s00/mine")); got != "mine" {
					t.Errorf("what was written before the damage is %q", got)
				}
				write(t, m.path("s30/sample.bin"), "another")
				if got := read(t, m.path("s30/sample.bin")); got != "another" {
					t.Errorf("what was written after the damage is %q", got)
				}
				m.stop()
				if log := m.logged(); len(log) != 1 {
					t.Errorf("%d lines in the log, want 1: %q", len(log), log)
				}
			})
		}
	}
	t.Run("replaced", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "shard.tar")
		writeShard(t, name, members)
		m := mountShard(t, name, kind)
		writeShard(t, name+".new", other)
		check(t, os.Rename(name+".new", name))
		for i, want := range members {
			if got := read(t, m.path(fmt.Sprintf("s%02d/sample.bin", i))); got != want.content {
				t.Errorf("%s is not what it was", want.name)
			}
		}
	})
}

func TestLogOnce(t *testing.T) {
	var heard []string
	synctest.Test(t, func(t *testing.T) {
		log := onceEvery(time.Minute, func(err error) { heard = append(heard, err.Error()) })
		for range 60 {
			log(errors.New("a"))
			log(errors.New("b"))
			time.Sleep(time.Second) // of the bubble's clock
		}
		log(errors.New("a"))
	})
	if got := strings.Join(heard, ""); got != "aba" {
		t.Errorf("the log has got %q, want aba", got)
	}
}

// A mount that is in use is detached, and files that are open stay usable.
func TestUnmountInUse(t *testing.T) { withChanges(t, testUnmountInUse) }

func testUnmountInUse(t *testing.T, kind string) {
	m := mountMembers(t, kind, samples(1)...)
	f, err := os.OpenFile(m.path("000000/new"), os.O_CREATE|os.O_RDWR, 0o644)
	check(t, err)
	m.stdin.Close()
	testtime.Eventually(t, "the unmount", func() bool { return len(names(t, m.dir)) == 0 })
	_, err = f.WriteString("still open")
	check(t, errors.Join(err, f.Close()))
	<-m.done
	m.start()
	if got := read(t, m.path("000000/new")); got != "still open" {
		t.Errorf("what was written after the unmount is %q", got)
	}
}
