package hf

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store/storetest"
	"github.com/shardfs/shardfs/internal/testing/hub"
)

func TestList(t *testing.T) {
	h := hub.New(t)
	files := map[string][]byte{"README.md": nil, "train-x": nil, "train/sub/deep.tar": nil, "val/a.tar": nil, "z": nil}
	for i := range 10 {
		files[fmt.Sprintf("train-%04d.tar", i)] = storetest.Noise(2000, byte(i))
		files[fmt.Sprintf("train/%d é.tar", i)] = storetest.Noise(i, byte(i))
	}
	h.Push("datasets/o/n", "main", nil)
	h.Push("datasets/o/n", "v1", files)
	h.Push("models/o/n", "main", files)
	for path, data := range files {
		h.Put("buckets/o/n", path, data)
	}
	for _, root := range []string{"hf://datasets/o/n@v1/", "hf://o/n/", "hf://buckets/o/n/"} {
		p := process(t, h)
		for _, prefix := range []string{"", "train", "train-", "train/", "train/s", "train-0003.tar", "none",
			"no/ne", "val/a.tar", "z/", "train/sub/deep.tar/"} {
			var want []string
			for path := range files {
				if strings.HasPrefix(path, prefix) {
					want = append(want, root+path)
				}
			}
			slices.Sort(want)
			var got []string
			for e, err := range p.List(t.Context(), root+prefix) {
				storetest.Check(t, err)
				got = append(got, e.Name)
				if data := files[strings.TrimPrefix(e.Name, root)]; int64(len(data)) != e.Size || e.Version == "" {
					t.Errorf("%s: %d bytes, version %q", e.Name, e.Size, e.Version)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s%s: %q, want %q", root, prefix, got, want)
			}
		}
	}
	for e, err := range process(t, h).List(t.Context(), "hf://datasets/o/n/") {
		t.Errorf("an empty branch has %v, %v", e, err)
	}
	h.Requests()
	for _, err := range process(t, h).List(t.Context(), "hf://datasets/o/n@v1/train-") {
		storetest.Check(t, err)
	}
	for _, r := range h.Requests() {
		if strings.Contains(r, "/train") || strings.Contains(r, "/val") {
			t.Errorf("a directory is listed that has no such file: %s", r)
		}
	}
}

func TestListRefusals(t *testing.T) {
	h := hub.New(t)
	h.Push("datasets/o/n", "main", map[string][]byte{"a": nil})
	for prefix, want := range map[string]error{"hf://datasets/o/none/a": fs.ErrNotExist,
		"hf://datasets/o/n@none/a": fs.ErrNotExist, "hf://datasets/o/n": errName} {
		n := 0
		for _, err := range process(t, h).List(t.Context(), prefix) {
			if n++; !errors.Is(err, want) {
				t.Errorf("%s: %v", prefix, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: yields %d times", prefix, n)
		}
	}
}

func TestNextPage(t *testing.T) {
	u, err := url.Parse("https://hub/api/tree?recursive=true")
	storetest.Check(t, err)
	for link, want := range map[string]string{
		"": "",
		`<https://elsewhere/x?cursor=a%3D&recursive=true>; rel="next"`:         "cursor=a%3D&recursive=true",
		`<https://hub/x?cursor=p>; rel="prev", </x?cursor=n>; foo; rel="next"`: "cursor=n",
		`<https://hub/x?cursor=p>; rel="first"`:                                "",
		`</x?cursor=a,b>; rel="last"`:                                          "",
		`cursor=n; rel="next"`:                                                 "",
		"<https://hub/\x7f?cursor=n>; rel=\"next\"":                            "",
	} {
		if got := nextPage(http.Header{"Link": {link}}, u); got != want {
			t.Errorf("%q: %q, want %q", link, got, want)
		}
	}
}
