package hf

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// place is what a name stands for: a file or directory in one revision of a repository, or in a bucket.
type place struct {
	root     string // as the user wrote it, up to the path, with the last slash
	kind     string // "models", "datasets", "spaces" or "buckets"
	id       string // namespace/name
	revision string // "" in a bucket
	path     string // in the repository or bucket
}

const mainRevision = "main"

var errName = fmt.Errorf("%w: want hf://datasets/ORG/NAME[@REVISION]/PATH, models, spaces, or buckets without revision",
	store.ErrName)

// parse reads a name by the grammar of Hugging Face's own tools: hf://[TYPE/]ORG/NAME[@REVISION]/PATH. The revision is
// percent-encoded where it has a slash, but for refs/pr/N and refs/convert/NAME; the path is as it is.
func parse(name string) (place, error) {
	body, ok := strings.CutPrefix(name, "hf://")
	if !ok {
		return place{}, errName
	}
	if store.Redact(name) != name {
		return place{}, fmt.Errorf("%w: names of hf:// have no query; HF_TOKEN holds a token", store.ErrName)
	}
	p := place{kind: "models"}
	switch first, rest, _ := strings.Cut(body, "/"); first {
	case "models", "datasets", "spaces", "buckets":
		p.kind, body = first, rest
	case "model", "dataset", "space", "bucket":
		return place{}, fmt.Errorf("%w: write hf://%ss/, not hf://%s/", store.ErrName, first, first)
	case "kernels":
		return place{}, errName
	}
	org, rest, _ := strings.Cut(body, "/")
	repo, path, slash := strings.Cut(rest, "/")
	if p.kind != "buckets" {
		p.revision = mainRevision
		if before, after, at := strings.Cut(rest, "@"); at && !strings.Contains(before, "/") {
			repo, p.revision, path, slash = before, after, "", false
			if ref := specialRef(after); ref != "" {
				p.revision, path, slash = ref, strings.TrimPrefix(after[len(ref):], "/"), len(ref) < len(after)
			} else if i := strings.IndexByte(after, '/'); i >= 0 {
				p.revision, path, slash = after[:i], after[i+1:], true
			}
			var err error
			if p.revision, err = url.PathUnescape(p.revision); err != nil || p.revision == "" {
				return place{}, fmt.Errorf("%w: the revision is empty or badly escaped", store.ErrName)
			}
		}
	}
	p.id, p.path = org+"/"+repo, path
	if !slash || !segment(org) || !segment(repo) {
		return place{}, errName
	}
	p.root = name[:len(name)-len(path)]
	return p, nil
}

// specialRef returns the revision that s begins with, if it is one whose slashes need no escape: refs/pr/N or
// refs/convert/NAME.
func specialRef(s string) string {
	parts := strings.SplitN(s, "/", 4)
	if len(parts) < 3 || parts[0] != "refs" || parts[2] == "" {
		return ""
	}
	const digits = "0123456789"
	const word = digits + "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"
	if parts[1] == "pr" && strings.Trim(parts[2], digits) == "" ||
		parts[1] == "convert" && strings.Trim(parts[2], word) == "" {
		return strings.Join(parts[:3], "/")
	}
	return ""
}

// segment reports whether s may stand between two slashes of a URL and mean itself.
func segment(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/@?#%\x00")
}

// file reports whether the path may be that of a file.
func (p place) file() bool {
	for s := range strings.SplitSeq(p.path, "/") {
		if s == "" || s == "." || s == ".." {
			return false
		}
	}
	return !strings.ContainsRune(p.path, 0)
}

// site returns the path of the repository or bucket on the Hub's site.
func (p place) site() string {
	if p.kind == "models" {
		return p.id
	}
	return p.kind + "/" + p.id
}

// escape makes a text one segment of a URL's path.
func escape(s string) string { return strings.ReplaceAll(remote.EscapePath(s), "/", "%2F") }
