package scratch

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// Manifests of all earlier versions can be read.
func TestOldManifests(t *testing.T) {
	origin := index.Origin{Size: 10240, Version: "file:1700000000123456789:42"}
	for _, tt := range []struct {
		name, text string
		want       manifest
	}{
		{"first", `{"version":1,"shard":"/d/s.tar","name":"s.tar",` +
			`"origin":{"size":10240,"mtime":1700000000123456789,"inode":42},` +
			`"index":"/d/x","truncated":true,"mountpoint":"/mnt","temporary":false}`,
			manifest{shard: "/d/s.tar", name: "s.tar", origin: origin, index: "/d/x", truncated: true,
				mountpoint: "/mnt"}},
		{"temporary, packed", `{"version":1,"shard":"/d/s.tar","name":"s.tar",` +
			`"origin":{"size":10240,"mtime":1700000000123456789,"inode":42},"cache":"/c","truncated":false,` +
			`"mountpoint":"/mnt","temporary":true,"packed":"abc","marks":"user.overlay."}`,
			manifest{shard: "/d/s.tar", name: "s.tar", origin: origin, cache: "/c", mountpoint: "/mnt", kind: Temporary,
				packed: "abc", xattrPrefix: "user.overlay."}},
		{"many", `{"version":1,"shard":"","name":"","origin":{"size":0,"mtime":0,"inode":0},"truncated":false,` +
			`"mountpoint":"/mnt","temporary":true,"many":true}`,
			manifest{mountpoint: "/mnt", kind: Many}},
		{"with fields of a later build", `{"version":1,"shard":"/d/s.tar","later":{"a":1}}`,
			manifest{shard: "/d/s.tar"}},
	} {
		s := &Scratch{Dir: t.TempDir()}
		shardtest.Check(t, os.WriteFile(filepath.Join(s.Dir, "note.json"), []byte(tt.text), 0o600))
		if err := s.readManifest(); err != nil || s.manifest != tt.want {
			t.Errorf("%s: read as %+v, %v, want %+v", tt.name, s.manifest, err, tt.want)
		}
	}
}

// A written manifest can be read again, and its field names are those that earlier versions read.
func TestManifest(t *testing.T) {
	for _, m := range []manifest{
		{},
		{shard: "/d/s.tar", name: "s.tar", origin: index.Origin{Size: 1, Version: "file:2:3", Probe: "p"}, index: "/i",
			cache: "/c", truncated: true, mountpoint: "/m", kind: Temporary, packed: "stamp", xattrPrefix: "p."},
		{mountpoint: "/m", kind: Many},
		{shard: "/d/\xff.tar", name: "\xfe", index: "/i\x80", cache: "/c\xc0", mountpoint: "/mnt\xed\xa0\x80"},
		{shard: "/d/\ufffd.tar", mountpoint: "/ä"},
	} {
		b, err := json.Marshal(m)
		shardtest.Check(t, err)
		var got manifest
		if err := json.Unmarshal(b, &got); err != nil || got != m {
			t.Errorf("%#v is read as %#v, %v, from %s", m, got, err, b)
		}
		var old struct {
			Version                    int
			Shard, Name                string
			Temporary, Many, Truncated bool
			Marks, Packed              string
		}
		shardtest.Check(t, json.Unmarshal(b, &old))
		want := old
		want.Version, want.Temporary, want.Many, want.Truncated = 1, m.kind != Kept, m.kind == Many, m.truncated
		want.Marks, want.Packed = m.xattrPrefix, m.packed
		if !reflect.DeepEqual(old, want) {
			t.Errorf("an earlier build reads %+v, want %+v", old, want)
		}
	}
}
