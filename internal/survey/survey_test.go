package survey

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/shardfs/shardfs/internal/lint"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/pack"
)

// write writes a shard. Each member is its name and its content.
func write(t testing.TB, members ...[2]string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m[0], Size: int64(len(m[1])), Mode: 0o644, ModTime: shardtest.ModTime()}
		shardtest.Check(t, w.WriteHeader(h))
		_, err := io.WriteString(w, m[1])
		shardtest.Check(t, err)
	}
	shardtest.Check(t, w.Close())
	name := filepath.Join(t.TempDir(), "shard.tar")
	shardtest.Check(t, os.WriteFile(name, b.Bytes(), 0o644))
	return name
}

// survey surveys a shard of members.
func survey(t testing.TB, o Options, members ...[2]string) *Survey {
	t.Helper()
	sh, err := shard.Open(t.Context(), write(t, members...), shard.Options{})
	shardtest.Check(t, err)
	defer sh.Close()
	s, err := Of(t.Context(), sh, o)
	shardtest.Check(t, err)
	s.Shards[0].Name = "shard.tar"
	return s
}

func pngOf(w, h int) string {
	var b bytes.Buffer
	png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)))
	return b.String()
}

var everything = Options{
	Fields: []string{"cls", "json.label", "json.box.w", "json.tags"}, Pictures: true, Contents: true, Check: true,
}

func examples() [][2]string {
	return [][2]string{
		{"a/1.cls", "7\n"}, {"a/1.png", pngOf(20, 10)}, {"a/1.txt", "grün"},
		{"a/1.json", `{"label":"cat","score":0.5,"box":{"w":3,"h":4},"tags":["x","y"]}`},
		{"README", "outside"},
		{"b.cls", "7"}, {"b.png", "no picture"}, {"b.json", `{"label":null,"box":[1],"tags":[]}`},
		{"c.cls", "dog"}, {"c.png", pngOf(30, 10)[:20]}, {"c.json", `{"label":`}, {"c.txt", "\xff!"},
		{"c.json", `[1]`},
	}
}

func TestOf(t *testing.T) {
	s := survey(t, everything, examples()...)
	got, err := json.MarshalIndent(s, "", " ")
	shardtest.Check(t, err)
	want, err := os.ReadFile("testdata/survey.json")
	if os.Getenv("UPDATE") != "" {
		shardtest.Check(t, os.WriteFile("testdata/survey.json", append(got, '\n'), 0o644))
	} else if err != nil || string(want) != string(got)+"\n" {
		t.Errorf("the survey is not that of testdata/survey.json, which UPDATE=1 replaces, but\n%s", got)
	}
	var again Survey
	shardtest.Check(t, json.Unmarshal(got, &again))
	if same, _ := json.MarshalIndent(&again, "", " "); string(same) != string(got) {
		t.Errorf("from JSON it is another one:\n%s", same)
	}
	if s := survey(t, Options{}, examples()...); s.Fields != nil || s.Pictures != nil || s.Texts != nil ||
		s.Documents != nil || s.Findings != nil {
		t.Errorf("without options there is %+v", s)
	}
}

// The survey of two shards is that of both merged, and the order does not matter but for names.
func TestMerge(t *testing.T) {
	all := examples()
	one, two := survey(t, everything, all[:5]...), survey(t, everything, all[5:]...)
	whole, err := json.Marshal(one)
	shardtest.Check(t, err)
	var merged, other Survey
	merged.Merge(one)
	merged.Merge(two)
	other.Merge(two)
	other.Merge(one)
	want := survey(t, everything, all...)
	for name, s := range map[string]*Survey{"merged": &merged, "merged the other way": &other} {
		s.Shards, s.Keys.First, s.Keys.Last, s.Findings = want.Shards, want.Keys.First, want.Keys.Last, want.Findings
		got, _ := json.Marshal(s)
		if text, _ := json.Marshal(want); string(got) != string(text) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, text)
		}
	}
	if same, _ := json.Marshal(one); !bytes.Equal(same, whole) {
		t.Errorf("Merge has changed what it merged: %s", same)
	}
}

// The samples of a directory give the same numbers.
func TestBuilder(t *testing.T) {
	dir := fstest.MapFS{}
	all := examples()[5 : len(examples())-1] // the last one is a second c.json
	for _, m := range all {
		key, ext, _ := strings.Cut(m[0], ".")
		dir[key+"/sample."+ext] = &fstest.MapFile{Data: []byte(m[1]), Mode: 0o644}
	}
	b := NewBuilder("dir", everything)
	for sample, err := range pack.All(pack.Base{}, pack.Tree{FS: dir}) {
		shardtest.Check(t, err)
		shardtest.Check(t, b.Add(&sample))
	}
	got := b.Survey()
	want := survey(t, everything, all...)
	if got.Samples != 2 || got.Members != want.Members || got.Bytes != want.Bytes ||
		!reflect.DeepEqual(got.Pictures, want.Pictures) {
		t.Errorf("%d members of %d bytes, %+v, want %d of %d, %+v", got.Members, got.Bytes, got.Pictures, want.Members,
			want.Bytes, want.Pictures)
	}
}

// failing is a file whose reads fail.
type failing struct{ fs.File }

var errBroken = errors.New("the disk is broken")

func (failing) Read([]byte) (int, error)          { return 0, errBroken }
func (failing) ReadAt([]byte, int64) (int, error) { return 0, errBroken }

// An error of a read is never taken for content that makes no sense.
func TestReadErrors(t *testing.T) {
	for _, ext := range []string{"png", "txt", "json", "cls"} {
		dir := fstest.MapFS{"a/sample." + ext: &fstest.MapFile{Data: []byte("12"), Mode: 0o644}}
		b := NewBuilder("dir", everything)
		for sample, err := range pack.All(pack.Base{}, pack.Tree{FS: dir}) {
			shardtest.Check(t, err)
			m := sample.Members()
			if len(m) == 0 {
				continue
			}
			open := m[0].File.Open
			m[0].File.Open = func() (fs.File, error) {
				f, err := open()
				return failing{f}, err
			}
			if err := b.Add(&sample); !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "a") {
				t.Errorf("%s: %v", ext, err)
			}
		}
	}
}

// What check finds is counted, and so is damage, which does not end the survey.
func TestFindings(t *testing.T) {
	s := survey(t, Options{Check: true}, [2]string{"a.txt", ""}, [2]string{"a.txt", ""}, [2]string{"b.txt", ""})
	if len(s.Findings) == 0 || s.Findings[0].Code != lint.DuplicateExtension || s.Findings[0].Count != 1 ||
		!strings.HasPrefix(string(s.Findings[0].Example), "a.txt: ") {
		t.Errorf("%+v", s.Findings)
	}
	whole, err := os.ReadFile(write(t, [2]string{"a.txt", "1"}, [2]string{"b.txt", "2"}, [2]string{"c.txt", "3"}))
	shardtest.Check(t, err)
	name := filepath.Join(t.TempDir(), "cut.tar")
	shardtest.Check(t, os.WriteFile(name, whole[:2300], 0o644))
	sh, err := shard.Open(t.Context(), name, shard.Options{AllowTruncated: true})
	shardtest.Check(t, err)
	defer sh.Close()
	if s, err = Of(t.Context(), sh, Options{Check: true}); err != nil || s.Samples != 1 || len(s.Findings) == 0 {
		t.Errorf("a cut shard: %v, %+v", err, s)
	}
}

// Characters are counted right where the pieces that are read end in one.
func TestCharacters(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		notUTF8    int64
	}{
		{"shifted by one", "x" + strings.Repeat("ü", piece), 0},
		{"three bytes", strings.Repeat("€", piece), 0},
		{"ends in the midst", strings.Repeat("€", piece) + "\xe2\x82", 1},
		{"only wrong bytes", strings.Repeat("\x80", piece+10), 1},
	} {
		var x Texts
		shardtest.Check(t, x.add(strings.NewReader(tt.text), make([]byte, piece)))
		var small Texts
		shardtest.Check(t, small.add(strings.NewReader(tt.text), make([]byte, 5)))
		if small.Characters.Sum() != x.Characters.Sum() || small.NotUTF8 != x.NotUTF8 {
			t.Errorf("%s: in small pieces %d characters, else %d", tt.name, small.Characters.Sum(), x.Characters.Sum())
		}
		if want := int64(len([]rune(tt.text))); x.Characters.Sum() != want || x.NotUTF8 != tt.notUTF8 {
			t.Errorf("%s: %d characters, want %d; %d not UTF-8", tt.name, x.Characters.Sum(), want, x.NotUTF8)
		}
	}
}

// Documents that are too large or have too many fields take no memory.
func TestLargeDocuments(t *testing.T) {
	var b strings.Builder
	for i := range MaxFields + 7 {
		b.WriteString(`,"` + strings.Repeat("f", i) + `":1`)
	}
	s := survey(t, Options{Contents: true},
		[2]string{"a.json", "{" + b.String()[1:] + "}"}, [2]string{"b.json", strings.Repeat(" ", MaxDocument+1)},
		[2]string{"c.json", `{"a":{"b":{"c":{"d":{"e":1}}}}}`})
	d := s.Documents[0]
	if len(d.Fields) != MaxFields || d.More != 11 || d.TooLarge != 1 || d.Count != 2 {
		t.Errorf("%d fields, %d more, %d too large, %d read", len(d.Fields), d.More, d.TooLarge, d.Count)
	}
}
