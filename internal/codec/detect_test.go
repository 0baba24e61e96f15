package codec

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

func TestDetect(t *testing.T) {
	for _, tt := range []struct {
		head string
		want Format
	}{
		{"", Plain},
		{"\x1f", Plain},
		{"\x1f\x8b", Gzip},
		{"\x1f\x8b\x08\x00", Gzip},
		{"\x28\xb5\x2f\xfd", Zstd},
		{"\x28\xb5\x2f", Plain},
		{"\x50\x2a\x4d\x18", Zstd}, // skippable frames
		{"\x5f\x2a\x4d\x18\x00", Zstd},
		{"\x60\x2a\x4d\x18", Plain},
		{"BZh91AY&SY", Bzip2},
		{"BZh9\x17\x72\x45\x38\x50\x90", Bzip2}, // of no bytes
		{"BZh01AY&SY", Plain},
		{"BZh9.txt\x00\x00", Plain}, // a tar
		{"\xfd7zXZ\x00", XZ},
		{"\xfd7zXZ", Plain},
		{"\x04\x22\x4d\x18", LZ4},
		{"000000.jpg", Plain},
	} {
		if got := Detect([]byte(tt.head)); got != tt.want {
			t.Errorf("Detect(%q) = %v, want %v", tt.head, got, tt.want)
		}
	}
}

func TestHasExtra(t *testing.T) {
	for _, tt := range []struct {
		head string
		want bool
	}{
		{"\x1f\x8b\x08\x00", false},
		{"\x1f\x8b\x08\x08", false}, // a name
		{"\x1f\x8b\x08\x04", true},  // BGZF
		{"\x1f\x8b\x08", false},
		{"abc\x04", false},
	} {
		if got := HasExtra([]byte(tt.head)); got != tt.want {
			t.Errorf("HasExtra(%q) = %v, want %v", tt.head, got, tt.want)
		}
	}
}

func TestDetectAt(t *testing.T) {
	skipped := "\x50\x2a\x4d\x18\x01\x00\x00\x00x"
	for _, tt := range []struct {
		shard string
		want  Format
	}{
		{"", Plain},
		{"\x1f\x8b\x08\x00", Gzip},
		{skipped + skipped + "\x04\x22\x4d\x18", LZ4},
		{skipped + "\x28\xb5\x2f\xfd", Zstd},
		{skipped, Zstd},
		{strings.Repeat(skipped, 1001) + "\x04\x22\x4d\x18", Zstd}, // as far as is looked
	} {
		if got, err := DetectAt(strings.NewReader(tt.shard)); got != tt.want || err != nil {
			t.Errorf("DetectAt(%.30q) = %v, %v, want %v", tt.shard, got, err, tt.want)
		}
	}
}

func TestDetectTools(t *testing.T) {
	for _, tool := range []struct {
		name string
		want Format
	}{{"gzip", Gzip}, {"pigz", Gzip}, {"zstd", Zstd}, {"bzip2", Bzip2}, {"xz", XZ}, {"lz4", LZ4}} {
		t.Run(tool.name, func(t *testing.T) {
			if _, err := exec.LookPath(tool.name); err != nil {
				skip.Without(t, "%s", tool.name)
			}
			for _, input := range []string{"", "some plain bytes"} {
				if got := Detect(pipe(t, []byte(input), tool.name, "-c")); got != tool.want {
					t.Errorf("%s of %q is %v", tool.name, input, got)
				}
			}
			if tool.want.String() != tool.name && tool.name != "pigz" {
				t.Errorf("%q, want %q", tool.want, tool.name)
			}
		})
	}
}

func TestEmptyFirst(t *testing.T) {
	for _, tool := range []string{"bzip2", "xz"} {
		if _, err := exec.LookPath(tool); err != nil {
			skip.Without(t, "%s", tool)
		}
		whole, empty := pipe(t, []byte("first"), tool, "-c"), pipe(t, nil, tool, "-c")
		if EmptyFirst(whole) || !EmptyFirst(empty) || EmptyFirst(empty[:13]) {
			t.Errorf("%s: %t, %t, %t", tool, EmptyFirst(whole), EmptyFirst(empty), EmptyFirst(empty[:13]))
		}
	}
	if EmptyFirst([]byte("neither xz nor bzip2")) {
		t.Error("a text")
	}
}
