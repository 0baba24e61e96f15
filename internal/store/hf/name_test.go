package hf

import "testing"

func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, root, kind, id, revision, path string }{
		{"hf://datasets/o/n/a.tar", "hf://datasets/o/n/", "datasets", "o/n", "main", "a.tar"},
		{"hf://datasets/o/n@v1/d/a.tar", "hf://datasets/o/n@v1/", "datasets", "o/n", "v1", "d/a.tar"},
		{"hf://o/n/a.tar", "hf://o/n/", "models", "o/n", "main", "a.tar"},
		{"hf://models/o/n@x/a.tar", "hf://models/o/n@x/", "models", "o/n", "x", "a.tar"},
		{"hf://spaces/o/n/a@b.tar", "hf://spaces/o/n/", "spaces", "o/n", "main", "a@b.tar"},
		{"hf://datasets/o/n/d/a@b/c", "hf://datasets/o/n/", "datasets", "o/n", "main", "d/a@b/c"},
		{"hf://datasets/o/n@refs%2Fconvert%2Fparquet/a", "hf://datasets/o/n@refs%2Fconvert%2Fparquet/", "datasets",
			"o/n", "refs/convert/parquet", "a"},
		{"hf://datasets/o/n@refs/convert/parquet/d/a", "hf://datasets/o/n@refs/convert/parquet/", "datasets",
			"o/n", "refs/convert/parquet", "d/a"},
		{"hf://datasets/o/n@refs/pr/12/a", "hf://datasets/o/n@refs/pr/12/", "datasets", "o/n", "refs/pr/12", "a"},
		{"hf://datasets/o/n@refs/pr/1x/a", "hf://datasets/o/n@refs/", "datasets", "o/n", "refs", "pr/1x/a"},
		{"hf://datasets/o/n@feature%2Fx/a", "hf://datasets/o/n@feature%2Fx/", "datasets", "o/n", "feature/x", "a"},
		{"hf://buckets/o/n/d/a%20b.tar", "hf://buckets/o/n/", "buckets", "o/n", "", "d/a%20b.tar"},
		{"hf://datasets/o/n/", "hf://datasets/o/n/", "datasets", "o/n", "main", ""}, // a prefix to list
	} {
		p, err := parse(tt.name)
		if want := (place{tt.root, tt.kind, tt.id, tt.revision, tt.path}); err != nil || p != want {
			t.Errorf("%s: %+v, %v, want %+v", tt.name, p, err, want)
		}
	}
	for _, name := range []string{"hf://", "hf://o", "hf://o/n", "hf://datasets/o/n", "hf://dataset/o/n/a",
		"hf://kernels/o/n/a", "hf://datasets/o/n@/a", "hf://datasets/o/n@%zz/a", "hf://datasets/o/n@v1",
		"hf://buckets/o/n@v/a", "hf://../n/a", "hf://datasets/o/../a", "hf://o%2Fx/n/a", "hf://o?x/n/a",
		"hf://datasets//n/a", "s3://o/n/a"} {
		if p, err := parse(name); err == nil {
			t.Errorf("%s: %+v, want an error", name, p)
		}
	}
}

func TestFileNames(t *testing.T) {
	for path, want := range map[string]bool{"a": true, "d/a b?.tar": true, "": false, "d/": false, "/a": false,
		"a//b": false, "../a": false, "d/./a": false, "a\x00": false} {
		if got := (place{path: path}).file(); got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}
