package pack

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"
)

// mtime is when the members of a shard were made, and ftime when files were changed.
var (
	mtime = time.Unix(1_500_000_000, 0)
	ftime = time.Unix(1_600_000_000, 500_000_000)
)

// seconds returns the time some seconds after mtime.
func seconds(n int) time.Time { return mtime.Add(time.Duration(n) * time.Second) }

// makeTar returns a tar of these members, in one of the formats of archive/tar, each a second younger than the one
// before. A regular file holds its own name; a name that ends in a slash is a directory, in "->" a link; "*" is a
// global header.
func makeTar(t testing.TB, format tar.Format, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, name := range names {
		h := tar.Header{Name: name, Mode: 0o600, ModTime: seconds(i), Uid: 7, Gid: 8, Uname: "ann", Gname: "lab",
			Format: format}
		switch rest, isLink := strings.CutSuffix(name, "->"); {
		case name == "*":
			h = tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "none"}}
		case isLink:
			h.Typeflag, h.Name, h.Linkname = tar.TypeSymlink, rest, "target"
		case strings.HasSuffix(name, "/"):
			h.Typeflag = tar.TypeDir
		default:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(name))
		}
		if format == tar.FormatPAX && name != "*" {
			h.ModTime = h.ModTime.Add(123 * time.Millisecond)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shard is a shard in memory.
type shard struct {
	plain []byte
	base  Base
}

func newShard(t testing.TB, plain []byte) shard {
	t.Helper()
	x, err := index.Build(bytes.NewReader(plain), index.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return shard{plain, Base{Index: x, Plain: bytes.NewReader(plain), Size: int64(len(plain))}}
}

// edit changes the directory of a sample.
type edit func(f *Dir)

// dir returns the directory of a sample after some edits.
func (s shard) dir(number int, edits ...edit) Dir {
	sample := s.base.Index.Sample(number)
	f := Dir{Path: sample.Path, Sample: &sample, Untouched: true}
	for _, edit := range edits {
		if f.Untouched {
			f.Untouched = false
			f.Files = MemberFiles(s.base.Index, sample, func(string) bool { return true })
		}
		edit(&f)
	}
	return f
}

// changes are the edits of samples, by path.
type changes map[string][]edit

// dirs returns the directories of all samples, changed, and new ones after them.
func (s shard) dirs(c changes, added ...Dir) dirs {
	var list dirs
	for number := range s.base.Index.Samples() {
		edits := c[s.base.Index.Sample(number).Path]
		if edits != nil && edits[0] == nil {
			continue
		}
		list = append(list, s.dir(number, edits...))
	}
	return append(list, added...)
}

// dropped marks a sample whose directory was removed.
var dropped = []edit{nil}

// dirs is a Source.
type dirs []Dir

func (l dirs) Dirs() iter.Seq2[Dir, error] {
	return func(yield func(Dir, error) bool) {
		for _, f := range l {
			if !yield(f, nil) {
				return
			}
		}
	}
}

// file returns a file that was written to a sample's directory.
func file(name, content string) DirFile {
	return DirFile{
		Name: name, Row: Changed, Size: int64(len(content)), Mode: 0o644, ModTime: ftime,
		Open: func() (fs.File, error) {
			return &fakeFile{size: int64(len(content)), r: strings.NewReader(content)}, nil
		},
	}
}

// write is an edit that writes a file; remove one that removes it.
func write(name, content string) edit {
	return func(f *Dir) {
		remove(name)(f)
		f.Files = append(f.Files, file(name, content))
	}
}

func remove(name string) edit {
	return func(f *Dir) {
		f.Files = slices.DeleteFunc(f.Files, func(file DirFile) bool { return file.Name == name })
	}
}

// rename gives a file another name. It still counts as unchanged.
func rename(from, to string) edit {
	return func(f *Dir) {
		remove(to)(f)
		for i := range f.Files {
			if f.Files[i].Name == from {
				f.Files[i].Name = to
			}
		}
	}
}

// special adds a file to a directory that is not a regular file.
func special(name string, mode fs.FileMode) edit {
	return func(f *Dir) {
		remove(name)(f)
		f.Files = append(f.Files, DirFile{Name: name, Row: Changed, Mode: mode})
	}
}

// move renames a sample's directory.
func move(path string) edit {
	return func(f *Dir) { f.Path, f.Renamed = path, true }
}

// sub puts a directory into a directory.
func sub(folder Dir) edit {
	return func(f *Dir) { f.Dirs = append(f.Dirs, folder) }
}

// added returns a directory that the shard does not have, with files "name=content".
func added(path string, files ...string) Dir {
	f := Dir{Path: path}
	for _, s := range files {
		name, content, _ := strings.Cut(s, "=")
		f.Files = append(f.Files, file(name, content))
	}
	return f
}

// packed packs a source.
func packed(b Base, s Source, o Options) ([]byte, Summary, error) {
	var out bytes.Buffer
	w := NewWriter(&out, o)
	if err := Pack(context.Background(), w, All(b, s)); err != nil {
		return nil, w.Summary(), err
	}
	err := w.Close()
	return out.Bytes(), w.Summary(), err
}

// mustPack is packed, but fails the test after an error. It checks that all readers read the output alike.
func mustPack(t *testing.T, b Base, s Source, o Options) ([]byte, Summary) {
	t.Helper()
	out, sum, err := packed(b, s, o)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Bytes != int64(len(out)) {
		t.Errorf("summary says %d bytes, want %d", sum.Bytes, len(out))
	}
	checkReaders(t, out)
	return out, sum
}

// headers returns the headers of a tar's members, and their contents.
func headers(t *testing.T, plain []byte) (list []*tar.Header, contents []string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(plain))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return list, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list, contents = append(list, h), append(contents, string(content))
	}
}

// listing describes the members of a tar: a name, and the content after an equals sign unless it equals the name.
func listing(t *testing.T, plain []byte) string {
	t.Helper()
	var words []string
	list, contents := headers(t, plain)
	for i, h := range list {
		word := h.Name
		if h.Typeflag == tar.TypeReg && contents[i] != h.Name {
			word += "=" + contents[i]
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			word = "*"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// Packing unchanged samples reproduces the shard, whichever program has written it, and whether or not the output can
// copy ranges.
func TestPackUntouched(t *testing.T) {
	names := []string{"a.jpg", "a.cls", "b.jpg", "b.cls", "a.jpg", "a.jpg", "d.v1/c.seg.png"}
	odd := []string{"d/", "a.jpg", "README", "a.cls", "a.x->", "__meta__/x", "b.jpg", "*", "b.cls", ".hidden", "e/"}
	long := append([]string{strings.Repeat("long/", 50) + "a.x", strings.Repeat("n", 120) + ".x", "ü.jpg"}, names...)
	ustar := makeTar(t, tar.FormatUSTAR, names...)
	unpadded := len(ustar)
	for _, tt := range []struct {
		story string
		plain []byte
	}{
		{"nothing", makeTar(t, tar.FormatUSTAR)},
		{"ustar", ustar},
		{"pax", makeTar(t, tar.FormatPAX, long...)},
		{"gnu", makeTar(t, tar.FormatGNU, long...)},
		{"others", makeTar(t, tar.FormatUnknown, odd...)},
		{"a global header first", makeTar(t, tar.FormatUnknown, "*", "a.jpg")},
		{"only others", makeTar(t, tar.FormatUnknown, "d/", "*", "README")},
		{"padded to a record", append(bytes.Clone(ustar), make([]byte, -unpadded&(10<<10-1))...)},
		{"padded oddly", append(bytes.Clone(ustar), make([]byte, 3*512+100)...)},
		{"another tar after it", slices.Concat(ustar, ustar)},
		{"so long that the output copies it", append(bytes.Clone(ustar), make([]byte, longRange)...)},
	} {
		s := newShard(t, tt.plain)
		out, sum := mustPack(t, s.base, s.dirs(nil), Options{})
		if !bytes.Equal(out, tt.plain) {
			t.Errorf("%s: %d bytes, want the same %d", tt.story, len(out), len(tt.plain))
		}
		x := s.base.Index
		if sum.Samples != x.Samples() || sum.Members != x.Rows()-x.Outside() || sum.LeftOut != 0 || sum.Emptied != 0 {
			t.Errorf("%s: summary %+v", tt.story, sum)
		}
		var copier copier
		w := NewWriter(&copier, Options{})
		if err := errors.Join(Pack(context.Background(), w, All(s.base, s.dirs(nil))), w.Close()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(copier.Bytes(), tt.plain) || w.Summary().Bytes != int64(len(tt.plain)) {
			t.Errorf("%s: copied by the output: %d bytes, want the same %d", tt.story, copier.Len(), len(tt.plain))
		}
		if want := min(len(tt.plain)/longRange, 1); copier.ranges != want {
			t.Errorf("%s: copied in %d ranges, want %d", tt.story, copier.ranges, want)
		}
	}
}

// copier is an output that copies by itself.
type copier struct {
	bytes.Buffer
	ranges int
}

func (c *copier) CopyRange(src io.ReaderAt, off, n int64) error {
	c.ranges++
	_, err := io.Copy(&c.Buffer, io.NewSectionReader(src, off, n))
	return err
}

func TestPackChanges(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUnknown, "d/", "a.jpg", "README", "a.cls", "b.jpg", "l->", "b.cls", "NOTES",
		"c.jpg", "e/"))
	dup := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "a.x", "a.y", "a.x", "b.x", "a.x"))
	for _, tt := range []struct {
		story   string
		shard   shard
		changes changes
		added   []Dir
		options Options
		want    string
		sum     Summary // without Bytes
	}{
		{"a sample dropped", s, changes{"b": dropped}, nil, Options{},
			"d/ a.jpg README a.cls l NOTES c.jpg e/", Summary{Samples: 2, Members: 3}},
		{"the first sample dropped", s, changes{"a": dropped}, nil, Options{},
			"d/ README b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 2, Members: 3}},
		{"the last sample dropped", s, changes{"c": dropped}, nil, Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES e/", Summary{Samples: 2, Members: 4}},
		{"all samples dropped", s, changes{"a": dropped, "b": dropped, "c": dropped}, nil, Options{},
			"d/ README l NOTES e/", Summary{}},
		{"a member changed", s, changes{"a": {write("sample.jpg", "new")}}, nil, Options{},
			"d/ a.jpg=new README a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"a member added", s, changes{"a": {write("sample.txt", "t"), write("sample.seg.png", "p"),
			write("sample.", "e")}},
			nil, Options{},
			"d/ a.jpg README a.cls a.=e a.seg.png=p a.txt=t b.jpg l b.cls NOTES c.jpg e/",
			Summary{Samples: 3, Members: 8}},
		{"a member removed", s, changes{"b": {remove("sample.jpg")}}, nil, Options{},
			"d/ a.jpg README a.cls l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 4}},
		{"a member removed and another added", s, changes{"b": {remove("sample.cls"), write("sample.json", "j")}}, nil,
			Options{},
			"d/ a.jpg README a.cls b.jpg l b.json=j NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"a sample emptied", s, changes{"b": {remove("sample.jpg"), remove("sample.cls")}}, nil, Options{},
			"d/ a.jpg README a.cls l NOTES c.jpg e/", Summary{Samples: 2, Members: 3, Emptied: 1}},
		{"a member renamed", s, changes{"a": {rename("sample.cls", "sample.txt")}}, nil, Options{},
			"d/ a.jpg README a.txt=a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"two members swapped", s,
			changes{"a": {rename("sample.cls", "x"), rename("sample.jpg", "sample.cls"), rename("x", "sample.jpg")}},
			nil,
			Options{},
			"d/ a.jpg=a.cls README a.cls=a.jpg b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"other files", s, changes{"a": {write("log", "x"), write("sample", "x"), write("samples.x", "x"),
			write("sample~2.jpg", "x"), write("sample~x.jpg", "x"), write("__source__", "x")}},
			nil, Options{}, "d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg e/",
			Summary{Samples: 3, Members: 5, LeftOut: 5, LeftOutFile: "a/log"}},
		{"what is no regular file", s,
			changes{"a": {special("sample.jpg", fs.ModeSymlink), special("sample.x", fs.ModeNamedPipe),
				special("sample.y", fs.ModeDevice)}},
			nil, Options{}, "d/ README a.cls b.jpg l b.cls NOTES c.jpg e/",
			Summary{Samples: 3, Members: 4, LeftOut: 3, LeftOutFile: "a/sample.jpg"}},
		{"a key file that is no regular file", s, changes{"a": {special("__key__", fs.ModeSymlink)}}, nil, Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"the last sample dropped, and nothing after it", dup, changes{"a~2": dropped}, nil, Options{},
			"a.x a.x a.y a.x b.x", Summary{Samples: 2, Members: 5}},
		{"without others", s, nil, nil, Options{DropOutside: true}, "a.jpg a.cls b.jpg b.cls c.jpg",
			Summary{Samples: 3, Members: 5}},
		{"without others, one changed", s, changes{"b": {write("sample.cls", "n")}}, nil, Options{DropOutside: true},
			"a.jpg a.cls b.jpg b.cls=n c.jpg", Summary{Samples: 3, Members: 5}},

		{"a directory renamed", s, changes{"a": {move("x/y")}}, nil, Options{},
			"d/ x/y.jpg=a.jpg README x/y.cls=a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"a directory renamed to an escaped name", s, changes{"a": {move("%2E/100%")}}, nil, Options{},
			"d/ ./100%.jpg=a.jpg README ./100%.cls=a.cls b.jpg l b.cls NOTES c.jpg e/",
			Summary{Samples: 3, Members: 5}},
		{"another key written", s, changes{"a": {write("__key__", "x")}}, nil, Options{},
			"d/ x.jpg=a.jpg README x.cls=a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"another key written with a newline", s, changes{"a": {write("__key__", "x\n")}}, nil, Options{},
			"d/ x.jpg=a.jpg README x.cls=a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"the key file is stronger than the directory's name", s, changes{"a": {move("y"), write("__key__", "x")}}, nil,
			Options{},
			"d/ x.jpg=a.jpg README x.cls=a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"the same key written", s, changes{"a": {write("__key__", "a\n")}}, nil, Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"a directory renamed and its key written back", s, changes{"a": {move("y"), write("__key__", "a")}},
			nil, Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg e/", Summary{Samples: 3, Members: 5}},
		{"the key of a later sample, which is dropped", s, changes{"a": {write("__key__", "b")}, "b": dropped}, nil,
			Options{},
			"d/ b.jpg=a.jpg README b.cls=a.cls l NOTES c.jpg e/", Summary{Samples: 2, Members: 3}},

		{"new samples", s, nil, []Dir{added("n/m", "sample.x=1", "log=x"), added("o", "sample.b=2", "sample.a=1")},
			Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg n/m.x=1 o.a=1 o.b=2 e/",
			Summary{Samples: 5, Members: 8, LeftOut: 1, LeftOutFile: "n/m/log"}},
		{"a new sample with a key", s, nil, []Dir{added("n", "sample.x=1", "__key__=k", "__source__=s")}, Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg k.x=1 e/", Summary{Samples: 4, Members: 6}},
		{"a copy of a sample, key file and all", s, nil, []Dir{added("n", "sample.x=1", "__key__=a", "__source__=s")},
			Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg n.x=1 e/", Summary{Samples: 4, Members: 6}},
		{"a new directory without members", s, nil, []Dir{added("n", "log=x", "__key__=bad.key")}, Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg e/",
			Summary{Samples: 3, Members: 5, LeftOut: 1, LeftOutFile: "n/log"}},
		{"files in no sample directory", s, nil, []Dir{added("", "sample.x=1", "log=x")}, Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls NOTES c.jpg e/",
			Summary{Samples: 3, Members: 5, LeftOut: 2, LeftOutFile: "log"}},

		{"one sample becomes many", s,
			changes{"b": {sub(added("b/0", "sample.x=0")), sub(added("b/1", "sample.x=1", "__key__=one"))}},
			nil, Options{},
			"d/ a.jpg README a.cls b.jpg l b.cls b/0.x=0 one.x=1 NOTES c.jpg e/", Summary{Samples: 5, Members: 7}},
		{"one sample becomes many others", s,
			changes{"b": {remove("sample.jpg"), remove("sample.cls"), sub(added("b/0", "sample.x=0")),
				sub(added("b/1", "sample.x=1"))}}, nil, Options{},
			"d/ a.jpg README a.cls l b/0.x=0 b/1.x=1 NOTES c.jpg e/", Summary{Samples: 4, Members: 5, Emptied: 1}},
		{"a directory that is no sample leads to one", s, changes{"b": {func(f *Dir) {
			between := added("b/x", "log=x")
			sub(added("b/x/y", "sample.x=0"))(&between)
			sub(between)(f)
		}}}, nil, Options{}, "d/ a.jpg README a.cls b.jpg l b.cls b/x/y.x=0 NOTES c.jpg e/",
			Summary{Samples: 4, Members: 6, LeftOut: 1, LeftOutFile: "b/x/log"}},

		{"duplicates, one changed", dup, changes{"a": {write("sample~2.x", "n")}}, nil, Options{},
			"a.x a.x=n a.y a.x b.x a.x", Summary{Samples: 3, Members: 6}},
		{"duplicates, one removed", dup, changes{"a": {remove("sample~2.x")}}, nil, Options{},
			"a.x a.y a.x b.x a.x", Summary{Samples: 3, Members: 5}},
		{"duplicates, the first removed", dup, changes{"a": {remove("sample.x")}}, nil, Options{},
			"a.x a.y a.x b.x a.x", Summary{Samples: 3, Members: 5}},
		{"duplicates, one more than there are", dup, changes{"a": {write("sample~4.x", "n")}}, nil, Options{},
			"a.x a.x a.y a.x b.x a.x", Summary{Samples: 3, Members: 6, LeftOut: 1, LeftOutFile: "a/sample~4.x"}},
		{"a key that comes back, changed", dup, changes{"a~2": {write("sample.y", "n")}}, nil, Options{},
			"a.x a.x a.y a.x b.x a.x a.y=n", Summary{Samples: 3, Members: 7}},
		{"a key that comes back, renamed", dup, changes{"a~2": {move("c")}}, nil, Options{},
			"a.x a.x a.y a.x b.x c.x=a.x", Summary{Samples: 3, Members: 6}},
	} {
		t.Run(tt.story, func(t *testing.T) {
			out, sum := mustPack(t, tt.shard.base, tt.shard.dirs(tt.changes, tt.added...), tt.options)
			if got := listing(t, out); got != tt.want {
				t.Errorf("members: %s\nwant:    %s", got, tt.want)
			}
			sum.Bytes = 0
			if sum != tt.sum {
				t.Errorf("summary %+v, want %+v", sum, tt.sum)
			}
			again, _ := mustPack(t, tt.shard.base, tt.shard.dirs(tt.changes, tt.added...), tt.options)
			if !bytes.Equal(out, again) {
				t.Error("packing again gives other bytes")
			}
			if len(out)%(20*512) != 0 && !bytes.Equal(out, tt.shard.plain) {
				t.Errorf("%d bytes are neither whole records nor the shard", len(out))
			}
		})
	}
}

func TestPackBadKeys(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "a.x", "c.x"))
	for _, tt := range []struct {
		story   string
		changes changes
		added   []Dir
	}{
		{"a dot in the last component", changes{"a": {write("__key__", "x.y")}}, nil},
		{"a dot in the directory's new name", changes{"a": {move("x.y")}}, nil},
		{"a dot in a new directory's name", nil, []Dir{added("x.y", "sample.x=1")}},
		{"nothing", changes{"a": {write("__key__", "")}}, nil},
		{"a newline alone", changes{"a": {write("__key__", "\n")}}, nil},
		{"a NUL", changes{"a": {write("__key__", "x\x00y")}}, nil},
		{"two lines", changes{"a": {write("__key__", "x\ny")}}, nil},
		{"two newlines", changes{"a": {write("__key__", "x\n\n")}}, nil},
		{"too long", changes{"a": {write("__key__", strings.Repeat("x", 4097))}}, nil},
		{"what readers pass over", changes{"a": {write("__key__", "__x__/a")}}, nil},
		{"a new directory that readers pass over", nil, []Dir{added("__x__/a", "sample.x=1")}},
		{"a new directory with a bad key", nil, []Dir{added("n", "sample.x=1", "__key__=x.y")}},
		{"a nested directory with a bad key", changes{"a": {sub(added("a/n", "sample.x=1", "__key__=x.y"))}}, nil},
		{"a directory above", changes{"a": {write("__key__", "../a")}}, nil},
		{"a directory above, in between", changes{"a": {write("__key__", "x/../../a")}}, nil},
		{"an absolute key", changes{"a": {write("__key__", "/etc/a")}}, nil},
		{"one dot", changes{"a": {write("__key__", ".")}}, nil},
	} {
		if _, _, err := packed(s.base, s.dirs(tt.changes, tt.added...), Options{}); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v, want %v", tt.story, err, ErrKey)
		} else if !strings.HasPrefix(err.Error(), "sample ") {
			t.Errorf("%s: %v, want the sample named", tt.story, err)
		}
	}
	if _, _, err := packed(s.base, s.dirs(changes{"a": {write("__key__", strings.Repeat("x", 4096))}}),
		Options{}); err != nil {
		t.Errorf("a key of 4096 bytes: %v", err)
	}
}

// New headers are plain ones, and do not depend on who made the files and when. Owner and time are those of the
// sample's first member in the shard, even if that was removed; of a new sample, those of the sample around it or of
// the first.
func TestPackHeaders(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatPAX, "*", "d/", "first.x", "a.x", "a.y", "b.x"))
	out, _ := mustPack(t, s.base, s.dirs(changes{
		"a": {remove("sample.x"), write("sample.y", "1"), write("sample.z", "2"), sub(added("a/n", "sample.x=3"))},
	}, added("n", "sample.x=4")), Options{})
	times := map[string]time.Time{"a.y": seconds(3), "a.z": seconds(3), "a/n.x": seconds(3), "n.x": seconds(2)}
	for _, h := range first(headers(t, out)) {
		want, changed := times[h.Name]
		if !changed {
			continue
		}
		if h.Format != tar.FormatUSTAR || h.Mode != 0o644 || !h.ModTime.Equal(want) ||
			h.Uid != 7 || h.Gid != 8 || h.Uname != "ann" || h.Gname != "lab" {
			t.Errorf("%s: %+v", h.Name, h)
		}
		delete(times, h.Name)
	}
	if len(times) != 0 {
		t.Errorf("not there: %v", times)
	}
	// A shard without samples gives none, and so does none.
	for _, b := range []Base{{}, newShard(t, makeTar(t, tar.FormatUnknown, "*", "README")).base} {
		out, _ := mustPack(t, b, dirs{added("n", "sample.x=4")}, Options{})
		list, _ := headers(t, out)
		h := list[0]
		if h.Name != "n.x" || h.Uid != 0 || h.Uname != "" || !h.ModTime.Equal(ftime.Truncate(time.Second)) {
			t.Errorf("%+v", h)
		}
	}
}

// If archive/tar refuses a header, its time is used but not its owner.
func TestPackOddHeader(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h := tar.Header{Name: "a.x", Typeflag: tar.TypeReg, Mode: 0o600, ModTime: mtime, Uid: 7,
		PAXRecords: map[string]string{"comment": "abcd"}}
	if err := errors.Join(w.WriteHeader(&h), w.Close()); err != nil {
		t.Fatal(err)
	}
	s := newShard(t, bytes.Replace(b.Bytes(), []byte("comment=abcd"), []byte("mtime=nonsen"), 1))
	out, _ := mustPack(t, s.base, s.dirs(changes{"a": {write("sample.x", "1")}}), Options{})
	if h := first(headers(t, out))[0]; h.Name != "a.x" || h.Uid != 0 || !h.ModTime.Equal(mtime) {
		t.Errorf("%+v", h)
	}
}

func TestPackTimes(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatPAX, "a.x", "a.y", "b.x"))
	for _, tt := range []struct {
		options        Options
		changed, moved time.Time // of a changed member, and of one whose sample was renamed
	}{
		{Options{}, mtime, seconds(2)},
		{Options{Times: FileTime}, ftime.Truncate(time.Second), seconds(2)},
		{Options{Times: FixedTime, Fixed: time.Unix(5, 7)}, time.Unix(5, 0), time.Unix(5, 0)},
		{Options{Times: FixedTime, Fixed: time.Unix(0, 0)}, time.Unix(0, 0), time.Unix(0, 0)},
	} {
		out, _ := mustPack(t, s.base, s.dirs(changes{"a": {write("sample.y", "1")}, "b": {move("c")}}), tt.options)
		for _, h := range first(headers(t, out)) {
			want := map[string]time.Time{"a.x": mtime.Add(123 * time.Millisecond), "a.y": tt.changed,
				"c.x": tt.moved}[h.Name]
			if !h.ModTime.Equal(want) {
				t.Errorf("%+v: %s is of %v, want %v", tt.options, h.Name, h.ModTime, want)
			}
		}
	}
}

func first[A, B any](a A, _ B) A { return a }

// Only values that ustar does not support are in an extended header.
func TestPackExtendedHeaders(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x"))
	for _, tt := range []struct {
		key  string
		time time.Time
		want tar.Format
	}{
		{"b", mtime, tar.FormatUSTAR},
		{strings.Repeat("n", 98), mtime, tar.FormatUSTAR},
		{strings.Repeat("n", 99), mtime, tar.FormatPAX},
		{strings.Repeat("d", 155) + "/" + strings.Repeat("n", 98), mtime, tar.FormatUSTAR},
		{strings.Repeat("long/", 60) + "n", mtime, tar.FormatPAX},
		{"ü", mtime, tar.FormatPAX},
		{"\xff", mtime, tar.FormatPAX},
		{"b", time.Unix(-1, 0), tar.FormatPAX},
		{"b", time.Unix(1<<33-1, 0), tar.FormatUSTAR},
		{"b", time.Unix(1<<33, 0), tar.FormatPAX},
	} {
		out, _ := mustPack(t, s.base, s.dirs(changes{"a": {write("__key__", tt.key)}}),
			Options{Times: FixedTime, Fixed: tt.time})
		h := first(headers(t, out))[0]
		if h.Name != tt.key+".x" || !h.ModTime.Equal(tt.time) || h.Format != tt.want {
			t.Errorf("%q of %v: %q of %v in %v, want %v", tt.key, tt.time, h.Name, h.ModTime, h.Format, tt.want)
		}
	}
}

// A file of 8 GiB and more has its size in an extended header. If it ends early, that is an error.
func TestPackBigFile(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x"))
	var out bytes.Buffer
	w := NewWriter(&out, Options{})
	f := s.dir(0, put(DirFile{Name: "sample.x", Row: Changed, Open: func() (fs.File, error) {
		return &fakeFile{size: 8 << 30, r: strings.NewReader("short")}, nil
	}}))
	if err := w.WriteDir(s.base, f); !errors.Is(err, ErrChanged) {
		t.Fatalf("%v, want %v", err, ErrChanged)
	}
	h, err := tar.NewReader(&out).Next()
	if err != nil || h.Size != 8<<30 || h.Format != tar.FormatPAX {
		t.Errorf("%+v, %v", h, err)
	}
}

// put is an edit that puts a file into a directory.
func put(file DirFile) edit {
	return func(f *Dir) {
		remove(file.Name)(f)
		f.Files = append(f.Files, file)
	}
}

// fakeFile is a file whose size need not be what can be read from it.
type fakeFile struct {
	size int64
	mode fs.FileMode
	r    io.Reader
}

func (f *fakeFile) Stat() (fs.FileInfo, error) { return fakeInfo{f}, nil }
func (f *fakeFile) Read(p []byte) (int, error) { return f.r.Read(p) }
func (f *fakeFile) Close() error               { return nil }

type fakeInfo struct{ f *fakeFile }

func (i fakeInfo) Name() string       { return "fake" }
func (i fakeInfo) Size() int64        { return i.f.size }
func (i fakeInfo) Mode() fs.FileMode  { return i.f.mode }
func (i fakeInfo) ModTime() time.Time { return ftime }
func (i fakeInfo) IsDir() bool        { return false }
func (i fakeInfo) Sys() any           { return nil }

func TestPackFileErrors(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x"))
	broken := errors.New("broken disk")
	open := func(f fs.File, err error) func() (fs.File, error) {
		return func() (fs.File, error) { return f, err }
	}
	for _, tt := range []struct {
		story string
		open  func() (fs.File, error)
		want  error
	}{
		{"shorter than it says", open(&fakeFile{size: 10, r: strings.NewReader("12345")}, nil), ErrChanged},
		{"not a file any more", open(&fakeFile{mode: fs.ModeNamedPipe, r: strings.NewReader("")}, nil), ErrChanged},
		{"not to be opened", open(nil, broken), broken},
		{"not to be read", open(&fakeFile{size: 10, r: io.MultiReader(strings.NewReader("12345"), errReader{broken})},
			nil),
			broken},
	} {
		for _, name := range []string{"sample.x", "sample.new", "__key__"} {
			if name == "__key__" && tt.want == ErrChanged {
				continue
			}
			_, _, err := packed(s.base, s.dirs(changes{"a": {put(DirFile{Name: name, Row: Changed, Open: tt.open})}}),
				Options{})
			if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "sample a: "+name+": ") {
				t.Errorf("%s: %v, want sample a: %s: ...: %v", tt.story, err, name, tt.want)
			}
		}
	}
	// A file that has grown gives the bytes that its header says.
	out, _ := mustPack(t, s.base,
		s.dirs(changes{"a": {put(DirFile{Name: "sample.x", Row: Changed,
			Open: open(&fakeFile{size: 3, r: strings.NewReader("12345")}, nil)})}}), Options{})
	if got := listing(t, out); got != "a.x=123" {
		t.Errorf("a file that has grown: %s", got)
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// A write error ends the packing, wherever it occurs.
func TestPackWriteErrors(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "c.x", "d.x"))
	source := s.dirs(changes{"b": {write("sample.y", strings.Repeat("long", 1000))}, "c": {move("e")}})
	whole, _ := mustPack(t, s.base, source, Options{})
	full := errors.New("disk full")
	for room := 0; room < len(whole); room += 100 {
		w := NewWriter(&limitedWriter{room, full}, Options{})
		err := Pack(context.Background(), w, All(s.base, source))
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, full) {
			t.Fatalf("with room for %d bytes of %d: %v, want %v", room, len(whole), err, full)
		}
	}
}

type limitedWriter struct {
	room int
	err  error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		n := w.room
		w.room = 0
		return n, w.err
	}
	w.room -= len(p)
	return len(p), nil
}

// A shard that is shorter than its index says is a read error, and no shorter output.
func TestPackShortShard(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "b.x"))
	s.base.Plain = bytes.NewReader(s.plain[:600])
	for _, c := range []changes{nil, {"b": {move("c")}}, {"a": {move("c")}}} {
		if out, _, err := packed(s.base, s.dirs(c), Options{}); err == nil {
			t.Errorf("%d bytes and no error", len(out))
		}
	}
}

// If a shard is cut, its whole samples are packed, with a new end marker.
func TestPackTruncated(t *testing.T) {
	whole := makeTar(t, tar.FormatUSTAR, "a.x", "b.x", "b.y", "c.x")
	for at := 512; at < len(whole); at += 100 {
		x, err := index.Build(bytes.NewReader(whole[:at]), index.BuildOptions{})
		if !errors.Is(err, index.ErrTruncated) {
			t.Fatal(err)
		}
		s := shard{whole[:at], Base{Index: x, Plain: bytes.NewReader(whole[:at])}}
		out, sum := mustPack(t, s.base, s.dirs(nil), Options{})
		if want := listing(t, whole); !strings.HasPrefix(want, listing(t, out)) || sum.Samples != x.Samples() {
			t.Errorf("cut at byte %d: %s, of %s", at, listing(t, out), want)
		}
	}
}

// A directory that was renamed with nothing else done to it is still untouched.
func TestPackMovedUntouched(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x", "a.y", "b.x"))
	f := s.dir(0)
	f.Path, f.Renamed = "c", true
	out, _ := mustPack(t, s.base, dirs{f, s.dir(1)}, Options{})
	if got, want := listing(t, out), "c.x=a.x c.y=a.y b.x"; got != want {
		t.Errorf("members: %s, want %s", got, want)
	}
}

// An output of two shards has a new end; an output of one shard has the end of that shard, even with empty shards
// before and after it.
func TestPackTwoShards(t *testing.T) {
	one := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x"))
	two := newShard(t, append(makeTar(t, tar.FormatUSTAR, "b.x"), "after the end"...))
	none := newShard(t, makeTar(t, tar.FormatUSTAR))
	for _, tt := range []struct {
		list []shard
		drop string // the sample that is left out
		want string
		same []byte // nil: an end of its own
	}{
		{[]shard{one, two}, "", "a.x b.x", nil},
		{[]shard{one, two}, "a", "b.x", two.plain},
		{[]shard{one, two}, "b", "a.x", nil}, // as long as the second one, but not its beginning
		{[]shard{none, two}, "", "b.x", two.plain},
		{[]shard{two, none}, "", "b.x", nil},
		{[]shard{none, none}, "", "", none.plain},
	} {
		var out bytes.Buffer
		w := NewWriter(&out, Options{})
		for _, s := range tt.list {
			if err := Pack(context.Background(), w, All(s.base, s.dirs(changes{tt.drop: dropped}))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		checkReaders(t, out.Bytes())
		if got := listing(t, out.Bytes()); got != tt.want {
			t.Errorf("members: %s, want %s", got, tt.want)
		}
		if tt.same != nil && !bytes.Equal(out.Bytes(), tt.same) || tt.same == nil && out.Len() != 20*512 {
			t.Errorf("%s: %d bytes", tt.want, out.Len())
		}
	}
}

// A stream comes as one small shard after the other.
func TestPackPieces(t *testing.T) {
	plain := makeTar(t, tar.FormatUnknown, "d/", "a.x", "README", "a.y", "*", "b.x", "e/", "c.x", "f/")
	plain = append(plain, make([]byte, 5*512)...)
	s := newShard(t, plain)
	for _, tt := range []struct {
		changes map[string][]edit
		want    string
	}{
		{nil, "d/ a.x README a.y * b.x e/ c.x f/"},
		{changes{"b": {write("sample.y", "1")}}, "d/ a.x README a.y * b.x b.y=1 e/ c.x f/"},
		{changes{"b": {remove("sample.x")}}, "d/ a.x README a.y * e/ c.x f/"},
		{changes{"c": {remove("sample.x")}}, "d/ a.x README a.y * b.x e/ f/"},
	} {
		var out bytes.Buffer
		w := NewWriter(&out, Options{})
		var last Base
		for _, x := range pieces(t, plain) {
			last = Base{Index: x, Plain: s.base.Plain}
			piece := shard{plain, last}
			for number := range x.Samples() {
				if err := w.WriteDir(last, piece.dir(number, tt.changes[x.Sample(number).Path]...)); err != nil {
					t.Fatal(err)
				}
			}
		}
		last.Size = int64(len(plain)) // which is known at the end only
		if err := errors.Join(w.Rest(last), w.Close()); err != nil {
			t.Fatal(err)
		}
		checkReaders(t, out.Bytes())
		if got := listing(t, out.Bytes()); got != tt.want {
			t.Errorf("members: %s\nwant:    %s", got, tt.want)
		}
		if tt.changes == nil && !bytes.Equal(out.Bytes(), plain) {
			t.Errorf("%d other bytes than the stream's %d", out.Len(), len(plain))
		}
	}
}

// pieces returns an index for each sample of a tar, with the entries after it.
func pieces(t *testing.T, plain []byte) (list []*index.Index) {
	scanner := index.NewScanner(bytes.NewReader(plain))
	var b index.Builder
	key := ""
	finish := func(end int64) {
		list, b = append(list, b.Finish(end)), index.Builder{}
	}
	for {
		e, err := scanner.Next()
		if err == io.EOF {
			finish(scanner.End())
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if k, _, ok := index.MemberKey(string(e.Name)); ok && k != key {
			if key != "" {
				finish(e.Header)
			}
			key = k
		}
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
}

// Three samples of a class, a picture and a description whose pictures were replaced by bitmaps: the output has exactly
// the size that tar gives them.
func TestPackSize(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.cls", "a.json", "a.jpg", "b.cls", "b.json", "b.jpg",
		"c.cls", "c.json",
		"c.jpg"))
	c := changes{}
	for key, size := range map[string]int{"a": 478515, "b": 499515, "c": 562515} {
		c[key] = []edit{remove("sample.jpg"), write("sample.ppm", strings.Repeat("p", size))}
	}
	out, sum := mustPack(t, s.base, s.dirs(c), Options{})
	if len(out) != 1_556_480 || sum.Bytes != 1_556_480 || sum.Members != 9 {
		t.Errorf("%d bytes, %+v, want 1556480", len(out), sum)
	}
}

func TestPackCancel(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "a.x"))
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(why)
	if err := Pack(ctx, NewWriter(io.Discard, Options{}), All(s.base, s.dirs(nil))); !errors.Is(err, why) {
		t.Errorf("%v, want %v", err, why)
	}
	broken := fmt.Errorf("broken source")
	err := Pack(context.Background(), NewWriter(io.Discard, Options{}), All(s.base, failing{broken}))
	if !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}

type failing struct{ err error }

func (f failing) Dirs() iter.Seq2[Dir, error] {
	return func(yield func(Dir, error) bool) { yield(Dir{}, f.err) }
}
