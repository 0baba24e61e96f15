package erofs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/shard"
)

// cache is what the kernel has of the two files.
type cache struct {
	t      *testing.T
	pages  [2]map[int64][]byte
	reads  [2]int
	refuse bool
}

// store is as Server.Store.
func (c *cache) store(file int, p []byte, off int64) error {
	if c.refuse {
		return errors.New("refused")
	}
	if off%page != 0 || len(p) == 0 {
		c.t.Errorf("%d bytes at %d of file %d are stored", len(p), off, file)
	}
	for at := 0; at < len(p); at += page {
		c.pages[file][off+int64(at)] = bytes.Clone(p[at:min(at+page, len(p))])
	}
	return nil
}

// read reads a page of the image or of Bytes as the kernel does.
func (c *cache) read(m *Image, n *Names, file int, off int64) {
	off = off &^ (page - 1)
	want := make([]byte, page)
	var k int
	var err error
	if file == 0 {
		k, err = m.ReadAt(want, off)
	} else {
		k, err = m.Bytes().read(c.t.Context(), want, off)
	}
	if err != nil && err != io.EOF {
		c.t.Fatal(err)
	}
	if got, ok := c.pages[file][off]; ok {
		if !bytes.Equal(got, want[:k]) {
			c.t.Fatalf("the page at %d of file %d differs", off, file)
		}
		return
	}
	c.reads[file]++
	c.pages[file][off] = bytes.Clone(want[:k])
	if file == 1 {
		_, err := m.Bytes().ReadAt(c.t.Context(), want, off)
		check(c.t, err)
		return
	}
	n.Ahead(off, k, c.store)
}

// A walk in the order of names asks for few pages; one that reads contents, too, for few of small members.
func TestAhead(t *testing.T) {
	const samples = 4000
	var members []member
	for i := range samples {
		key := fmt.Sprintf("%06d", i)
		members = append(members, some(key+".cls", key+".json")...)
		members = append(members, member{key + ".jpg", strings.Repeat("x", 5000), shardTime()})
	}
	v := viewOf(t, members)
	m := imageOf(t, v, Options{})
	for _, tt := range []struct {
		name           string
		contents       bool
		refuse         bool
		order          func(i int) int
		names, members int // most reads
		least          int // least reads of names
	}{
		{"names", false, false, func(i int) int { return i }, 20, 0, 5},
		{"contents", true, false, func(i int) int { return i }, 20, 250, 5},
		{"random", false, false, func(i int) int { return i * 1237 % samples }, samples, 0, 0},
		{"refused", false, true, func(i int) int { return i }, samples, 0, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m.lastRead.Store(-1)
			c := &cache{t: t, refuse: tt.refuse}
			c.pages = [2]map[int64][]byte{make(map[int64][]byte), make(map[int64][]byte)}
			n := m.Names()
			for i := range samples {
				d := m.x.DirOf(tt.order(i))
				c.read(m, n, 0, m.dirAt(d))
				number, _ := m.x.SampleIn(d)
				start, end := m.x.SampleRows(number)
				for row := start; tt.contents && row < end; row++ {
					if data, size := m.x.Content(row); size < 1000 {
						c.read(m, n, 1, data)
					}
				}
			}
			if c.reads[0] > tt.names || c.reads[0] < tt.least || c.reads[1] > tt.members {
				t.Errorf("%d reads of names, want %d to %d; %d of members, want at most %d",
					c.reads[0], tt.least, tt.names, c.reads[1], tt.members)
			}
			if !tt.contents && len(c.pages[1]) > 0 {
				t.Errorf("%d pages of members are stored, and none is read", len(c.pages[1]))
			}
		})
	}
}

// A signal to the reader does not end a lookup, which would fail with EINTR as in no file system on a disk: headers are
// compared all the same.
func TestNamesInterrupted(t *testing.T) {
	built := viewOf(t, some("a.txt", "b.txt")).Shard
	check(t, built.Save(t.Context(), built.Path()+shard.SidecarSuffix))
	m := imageOf(t, open(t, built.Path()), Options{Verify: true}) // by the index file
	n := m.Names()
	defer n.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	got, want := make([]byte, 64<<10), make([]byte, 64<<10)
	if _, err := n.ReadAt(ctx, got, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(want, 0); err != nil && err != io.EOF || !bytes.Equal(got, want) {
		t.Errorf("%v, or other bytes", err)
	}
}
