package index

import (
	"archive/tar"
	"bytes"
	"testing"
)

func TestReadTail(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "b.x", Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	second := b.String()
	zeros := string(make([]byte, 100*BlockSize))
	for _, tt := range []struct {
		rest string
		want Tail
	}{
		{"", Tail{}},
		{zeros, Tail{}},
		{zeros[:700], Tail{}},
		{second, Tail{1000, true}},
		{zeros + second, Tail{1000 + int64(len(zeros)), true}},
		{zeros[:BlockSize] + second[:BlockSize], Tail{1000 + BlockSize, true}},
		{zeros + "garbage", Tail{1000 + int64(len(zeros)), false}},
	} {
		for _, concurrent := range []bool{false, true} {
			if got, err := ReadTail(bytes.NewReader([]byte(tt.rest)), 1000); err != nil || got != tt.want {
				t.Errorf("%d bytes: %+v, %v, want %+v", len(tt.rest), got, err, tt.want)
			}
			var got Tail
			o := BuildOptions{Concurrent: concurrent, Tail: &got}
			if _, err := Build(bytes.NewReader([]byte(second+tt.rest)), o); err != nil {
				t.Fatal(err)
			}
			want := tt.want
			if want.Offset > 0 {
				want.Offset += int64(len(second)) - 1000
			}
			if got != want {
				t.Errorf("%d bytes after a tar: %+v, want %+v", len(tt.rest), got, want)
			}
		}
	}
}
