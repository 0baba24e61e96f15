package index

import (
	"fmt"
	"testing"
)

func TestOrder(t *testing.T) {
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("%05d.jpg", i))
	}
	for _, tt := range []struct {
		name  string
		names []string
		want  Order
	}{
		{"empty", nil, Order{true, true, 0}},
		{"one", []string{"a.jpg"}, Order{true, true, 1}},
		{"ascending", []string{"a.jpg", "ab.jpg", "b.jpg"}, Order{true, true, 2}},
		{"descending", []string{"b.jpg", "a.jpg"}, Order{true, false, 1}},
		{"by bytes, unsigned", []string{"a.jpg", "\xff.jpg"}, Order{true, true, 1}},
		{"many", many, Order{true, true, 5}},
		{"many and one", append(many, "00000a.jpg"), Order{true, false, 6}},
		{"in a directory", []string{"d/a.jpg", "d/b.jpg"}, Order{false, true, 1}},
		{"of two directories", []string{"d/x.jpg", "e/a.jpg", "e/bcd.jpg"}, Order{false, true, 3}},
		{"in a directory, descending", []string{"d/b.jpg", "e/x.jpg", "d/a.jpg"}, Order{false, false, 1}},
		{"in and before others", []string{"d/a.jpg", "d/b.jpg", "e/a.jpg", "d/c.jpg"}, Order{false, true, 1}},
		{"in and before others, descending", []string{"d/a.jpg", "d/c.jpg", "e/a.jpg", "d/b.jpg"},
			Order{false, false, 1}},
		{"of a sample", []string{"d.jpg", "d/a.jpg", "d/b.jpg", "e.jpg"}, Order{false, true, 1}},
		{"between others", []string{"d/b.jpg", "e/x.jpg", "d/c.jpg"}, Order{false, true, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := indexOf(t, tt.names...)
			if got := x.Order(); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			f, err := decode(encode(t, &File{Index: x}))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Index.Order(); got != tt.want || f.Index.order == nil {
				t.Errorf("of the file: %+v, want %+v", got, tt.want)
			}
			f.Index.order = nil // as in older files
			if got := f.Index.Order(); got != tt.want {
				t.Errorf("of an older file: %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestSubdirs(t *testing.T) {
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("%05d.jpg", i))
	}
	type subdirs struct {
		first         Dir
		n, longest    int
		ascending, ok bool
	}
	for _, tt := range []struct {
		name  string
		names []string
		dir   string
		want  subdirs
	}{
		{"empty", nil, "", subdirs{0, 0, 0, true, true}},
		{"none", []string{"a.jpg"}, "a", subdirs{0, 0, 0, true, true}},
		{"in the root", many, "", subdirs{1, 1000, 5, true, true}},
		{"of a directory", []string{"a.jpg", "d/b.jpg", "d/ab.jpg", "e.jpg"}, "d", subdirs{3, 2, 2, false, true}},
		{"apart", []string{"d/b.jpg", "e.jpg", "d/c.jpg"}, "d", subdirs{2, 0, 0, false, false}},
		{"of the root, apart", []string{"d/b.jpg", "e.jpg"}, "", subdirs{1, 0, 0, false, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := indexOf(t, tt.names...)
			d, ok := x.Find(tt.dir)
			if !ok {
				t.Fatal("no such directory")
			}
			var got subdirs
			got.first, got.n, got.longest, got.ascending, got.ok = x.Subdirs(d)
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
