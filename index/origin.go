package index

import (
	"encoding/json"
	"fmt"
)

// Origin says of which bytes an index is.
//
// In index files and in the manifests of scratch directories it is a JSON object of size, mtime, inode and probe. The
// two numbers in the middle are the Version of a local file, written so because the first releases knew nothing else;
// any other Version is a string under its own name, which those releases take for another file. An embedded index has
// no Version.
type Origin struct {
	Size    int64  // bytes of the shard as it is stored
	Version string // what its store tells versions apart by; "" where it is not known
	Probe   string // digest of some of the bytes, the same for every copy; "" where it is not known
}

// originJSON is an Origin as it is kept.
type originJSON struct {
	Size    int64  `json:"size"`
	ModTime int64  `json:"mtime"` // nanoseconds since 1970
	Inode   uint64 `json:"inode"`
	Probe   string `json:"probe,omitempty"`
	Version string `json:"version,omitempty"`
}

// fileVersion is what the Version of a local file looks like.
const fileVersion = "file:%d:%d"

// kept returns the origin as it is kept.
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

// String describes an origin. Checkpoints of runs hold the text, so that of a local file does not change.
func (o Origin) String() string {
	j := o.kept()
	if j.Version != "" {
		return fmt.Sprintf("{Size:%d Version:%s Probe:%s}", j.Size, j.Version, j.Probe)
	}
	return fmt.Sprintf("{Size:%d ModTime:%d Inode:%d Probe:%s}", j.Size, j.ModTime, j.Inode, j.Probe)
}

// Same reports whether two origins are of the same unchanged object. Where both have a probe, that also finds a file
// that was written in place and given its old time again.
func (o Origin) Same(p Origin) bool {
	return o.Size == p.Size && o.Version == p.Version && (o.Probe == p.Probe || o.Probe == "" || p.Probe == "")
}

// Copy reports whether two origins are of objects that are copies of each other, as far as their size and probes tell.
func (o Origin) Copy(p Origin) bool {
	return o.Size == p.Size && o.Probe != "" && o.Probe == p.Probe
}
