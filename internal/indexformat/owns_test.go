package indexformat

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// An index is told from the files of other tools that have its name.
func TestOwns(t *testing.T) {
	numbers := func(list ...uint64) []byte {
		var b []byte
		for _, n := range list {
			b = binary.LittleEndian.AppendUint64(b, n)
		}
		return b
	}
	for _, tt := range []struct {
		story   string
		format  Format
		content []byte
		shard   int64
		want    bool
	}{
		{"of DALI", WDS2IDX, []byte("v1.2 20\ncls 512 1 a.cls"), 0, true},
		{"of an old DALI", WDS2IDX, []byte("v1.1 2\ncls 512 1"), 0, true},
		{"notes", WDS2IDX, []byte("v2 of the notes"), 0, false},
		{"offsets", WDS2IDX, numbers(0, 1024, 2048), 10240, false},
		{"of Energon", Energon, numbers(0, 1024, 2048), 10240, true},
		{"of Energon, shard gone", Energon, numbers(0, 1024, 2048), 0, true},
		{"of Energon, end at a record", Energon, numbers(0, 1024, 10240), 20480, true},
		{"of Lhotse", Energon, numbers(0, 1024, 10240), 10240, false},
		{"of Lhotse, not padded", Energon, numbers(0, 1024, 3072), 3072, false},
		{"of Lhotse, for another shard", Energon, numbers(0, 1024, 20480), 10240, false},
		{"text", Energon, []byte("0 1024 2048 and"), 10240, false},
		{"short", Energon, numbers(0), 10240, false},
		{"of hfutils", HuggingFace, []byte(`{"filesize": 10240, "hash": "x", "hash_lfs": "y", "files": {`), 0, true},
		{"any JSON", HuggingFace, []byte(`{"ok": true}`), 0, false},
		{"a list", HuggingFace, []byte(`[{"filesize": 1, "hash": "x"}]`), 0, false},
		{"empty", HuggingFace, nil, 0, false},
	} {
		if got := Owns(tt.format, bytes.NewReader(tt.content), int64(len(tt.content)), tt.shard); got != tt.want {
			t.Errorf("%s: %s: %v", tt.story, tt.format, got)
		}
	}
}

// What Export writes is recognized.
func TestOwnsExports(t *testing.T) {
	s := shardOf(t, makeTar(t, golden...))
	for _, f := range []Format{WDS2IDX, Energon, HuggingFace} {
		var b bytes.Buffer
		if _, err := Export(&b, f, s); err != nil {
			t.Fatal(err)
		}
		if !Owns(f, bytes.NewReader(b.Bytes()), int64(b.Len()), s.Size) {
			t.Errorf("%s: its own index is taken for another file", f)
		}
	}
}
