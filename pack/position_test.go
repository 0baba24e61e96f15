package pack

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// Continuing at any position gives the same bytes as a Writer that was not interrupted.
func TestResume(t *testing.T) {
	s := newShard(t, makeTar(t, tar.FormatUSTAR, "README", "a.x", "a.y", "dir/", "b.x", "link->", "b.y",
		"c.x", "LICENSE"))
	for _, c := range []changes{
		{},
		{"b": {write("sample.new", "content")}},
		{"a": dropped},
		{"b": dropped, "c": {remove("sample.x")}},
		{"c": {write("sample.x", "other")}},
	} {
		for _, o := range []Options{{}, {DropOutside: true}} {
			want, sum := mustPack(t, s.base, s.dirs(c), o)
			list := s.dirs(c)
			for at := range len(list) + 1 {
				t.Run(fmt.Sprint(at), func(t *testing.T) {
					var out bytes.Buffer
					w := NewWriter(&out, o)
					for _, f := range list[:at] {
						if err := w.WriteDir(s.base, f); err != nil {
							t.Fatal(err)
						}
					}
					m, err := w.Position()
					if err != nil {
						t.Fatal(err)
					}
					kept, err := json.Marshal(m)
					if err != nil {
						t.Fatal(err)
					}
					if m = (Position{}); json.Unmarshal(kept, &m) != nil {
						t.Fatal(string(kept))
					}
					w = Resume(&out, o, s.base, m)
					for _, f := range list[at:] {
						if err := w.WriteDir(s.base, f); err != nil {
							t.Fatal(err)
						}
					}
					if err := w.Rest(s.base); err != nil {
						t.Fatal(err)
					}
					if err := w.Close(); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(out.Bytes(), want) || w.Summary() != sum {
						t.Errorf("%d bytes, %+v; want %d, %+v", out.Len(), w.Summary(), len(want), sum)
					}
				})
			}
		}
	}
}

// The JSON of a position is part of checkpoints, which a later build must read.
func TestPositionJSON(t *testing.T) {
	b, err := json.Marshal(Position{
		Summary{Samples: 1, Members: 2, Bytes: 3, LeftOut: 4, Emptied: 5, Lacking: 6, Outside: 7}, 8, 9,
		[]byte("k\xff"), true, [][2]int64{{10, 11}},
	})
	const want = `{"samples":1,"members":2,"bytes":3,"left_out":4,"emptied":5,"lacking":6,"others":7,` +
		`"row":8,"copied":9,"last_key":"a/8=","intact":true,"starts":[[10,11]]}`
	if string(b) != want || err != nil {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
}
