package pack

import (
	"archive/tar"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFields(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "d/", "a.jpg", "README", "a.cls", "a.png", "b.png",
		"b.seg.png", "c.cls",
		"e/"))
	for _, tt := range []struct {
		spec string
		want string
		sum  Summary // without Bytes
	}{
		{"cls jpg", "d/ a.jpg README a.cls c.cls e/", Summary{Samples: 2, Members: 3, Lacking: 1, Emptied: 1}},
		{"jpg=jpg,png", "d/ a.jpg README b.jpg=b.png e/", Summary{Samples: 2, Members: 2, Emptied: 1}},
		{"jpg=png,jpg", "d/ README a.jpg=a.png b.jpg=b.png e/", Summary{Samples: 2, Members: 2, Emptied: 1}},
		{" cls\tmask=seg.png ", "d/ README a.cls b.mask=b.seg.png c.cls e/",
			Summary{Samples: 3, Members: 3, Lacking: 3}},
		{"jpg=png png=jpg", "d/ a.png=a.jpg README a.jpg=a.png b.jpg=b.png e/",
			Summary{Samples: 2, Members: 3, Lacking: 1, Emptied: 1}},
		{"x=cls y=cls", "d/ README a.x=a.cls a.y=a.cls c.x=c.cls c.y=c.cls e/",
			Summary{Samples: 2, Members: 4, Emptied: 1}},
		{"nosuch", "d/ README e/", Summary{Emptied: 3}},
		{"JPG", "d/ README e/", Summary{Emptied: 3}},
	} {
		fields, err := ParseSelection(tt.spec)
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
			continue
		}
		out, sum := mustPack(t, s.base, s.dirs(nil), Options{Selection: fields})
		if got := listing(t, out); got != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.spec, got, tt.want)
		}
		if sum.Bytes = 0; sum != tt.sum {
			t.Errorf("%s: summary %+v, want %+v", tt.spec, sum, tt.sum)
		}
	}
}

// All fields are all members, with the headers that they have.
func TestFieldsOfAll(t *testing.T) {
	plain := makeTar(t, tar.FormatPAX, "d/", "a.x", "README", "a.y", "b.y", "b.x", "e/")
	s := newShard(t, append(plain, "after the end"...))
	out, _ := mustPack(t, s.base, s.dirs(nil),
		Options{Selection: Selection{{"y", []string{"y"}}, {"x", []string{"x"}}}})
	if string(out) != string(s.plain) {
		t.Errorf("%d bytes, want the same %d", len(out), len(s.plain))
	}
}

// Two members that would get one name are an error that names the sample.
func TestFieldsTwice(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "b.y", "b.x"))
	for _, tt := range []struct {
		spec string
		want error
	}{{"y", nil}, {"x", ErrDuplicateExtension}, {"z=x", ErrDuplicateExtension}, {"z=x,y", ErrDuplicateExtension},
		{"z=y,x", nil}} {
		fields, err := ParseSelection(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		w := NewWriter(io.Discard, Options{Selection: fields})
		err = w.WriteDir(s.base, s.dir(0))
		if err == nil {
			err = w.WriteDir(s.base, s.dir(1))
		}
		if !errors.Is(err, tt.want) || err != nil && !strings.HasPrefix(err.Error(), "sample b: ") {
			t.Errorf("%s: %v, want %v", tt.spec, err, tt.want)
		}
	}
}

// A selection applies to the current files of a directory.
func TestFieldsOfChanged(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.jpg", "a.cls"))
	fields, err := ParseSelection("cls png=ppm txt")
	if err != nil {
		t.Fatal(err)
	}
	out, _ := mustPack(t, s.base,
		s.dirs(changes{"a": {remove("sample.jpg"), write("sample.ppm", "p"), write("sample.cls", "c")}},
			Dir{Path: "n", Files: []DirFile{file("sample.txt", "t"), file("sample.x", "x")}}),
		Options{Selection: fields})
	if got, want := listing(t, out), "a.cls=c a.png=p n.txt=t"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestParseFields(t *testing.T) {
	for _, spec := range []string{"", " ", "=", "=x", "x=", "x=a,,b", "x=,", "a,b", "a,b=c", "x x", "x=a x=b", "x x=y",
		"a/b", "a/b=c"} {
		if f, err := ParseSelection(spec); err == nil {
			t.Errorf("%q: %v", spec, f)
		}
	}
}
