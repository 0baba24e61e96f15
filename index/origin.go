package index

import (
	"encoding/json"
	"fmt"
)

// Origin identifies the bytes from which an index was made.
//
// In index files and in the manifests of scratch directories it is a JSON object of size, mtime, inode and probe. Mtime
// and inode are the Version of a local file, in the form that the first releases used; any other Version is a string
// field, which those releases treat as another file. An embedded index has no Version.
type Origin struct {
	Size    int64  // size of the stored shard in bytes
	Version string // see store.Version; "" if unknown
	Probe   string // digest of some of the bytes, equal for every copy; "" if unknown
}

// originJSON is the stored form of an Origin.
type originJSON struct {
	Size    int64  `json:"size"`
	ModTime int64  `json:"mtime"` // nanoseconds since 1970
	Inode   uint64 `json:"inode"`
	Probe   string `json:"probe,omitempty"`
	Version string `json:"version,omitempty"`
}

// fileVersion is the format of the Version of a local file.
const fileVersion = "file:%d:%d"

// kept returns the stored form of an origin.
func (o Origin) kept() originJSON {
	j := originJSON{Size: o.Size, Probe: o.Probe}
	if n, err := fmt.Sscanf(o.Version, fileVersion, &j.ModTime, &j.Inode); n != 2 || err != nil ||
		fmt.Sprintf(fileVersion, j.ModTime, j.Inode) != o.Version {
		j.ModTime, j.Inode, j.Version = 0, 0, o.Version
	}
	return j
}

// MarshalJSON implements [json.Marshaler].
func (o Origin) MarshalJSON() ([]byte, error) { return json.Marshal(o.kept()) }

// UnmarshalJSON implements [json.Unmarshaler].
func (o *Origin) UnmarshalJSON(b []byte) error {
	var j originJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*o = Origin{Size: j.Size, Version: j.Version, Probe: j.Probe}
	if j.Version == "" && (j.ModTime != 0 || j.Inode != 0) {
		o.Version = fmt.Sprintf(fileVersion, j.ModTime, j.Inode)
	}
	return nil
}

// String describes an origin. Checkpoints of runs contain the text, so that of a local file must not change.
func (o Origin) String() string {
	j := o.kept()
	if j.Version != "" {
		return fmt.Sprintf("{Size:%d Version:%s Probe:%s}", j.Size, j.Version, j.Probe)
	}
	return fmt.Sprintf("{Size:%d ModTime:%d Inode:%d Probe:%s}", j.Size, j.ModTime, j.Inode, j.Probe)
}

// Same reports whether two origins are of the same unchanged object. If both have a probe, that also detects a file
// that was changed in place and got its old time back.
func (o Origin) Same(p Origin) bool {
	return o.Size == p.Size && o.Version == p.Version && (o.Probe == p.Probe || o.Probe == "" || p.Probe == "")
}

// Copy reports whether two origins are of copies of the same bytes, judging by size and probe.
func (o Origin) Copy(p Origin) bool {
	return o.Size == p.Size && o.Probe != "" && o.Probe == p.Probe
}
