package gallery

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/testtime"
)

// Faults in queries are found where they are.
func TestParseQueryFaults(t *testing.T) {
	for text, at := range map[string]int{
		"(":           1,
		")":           0,
		"a)":          1,
		"(a":          0,
		"()":          1,
		"a or":        4,
		"or a":        0,
		"not":         3,
		"has:":        4,
		"é size>x":    7,
		"size~1":      -1,
		"shard~[":     6,
		"shard:":      6,
		"shard>1":     -1,
		"nothing:x":   0,
		"change:gone": 7,
		"key~[":       4,
		`key:"a`:      4,
		`"a\q"`:       0,
		"==7":         0,
		"cls>seven":   4,
		strings.Repeat("(", 200) + "a" + strings.Repeat(")", 200): -2,
		strings.Repeat("not ", 300) + "a":                         -2,
		strings.Repeat("a ", 300):                                 -2,
		strings.Repeat("a", 5000):                                 0,
		"\xff":                                                    0,
	} {
		_, err := parseQuery(text)
		var fault *queryError
		switch {
		case at == -1:
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
		case !errors.As(err, &fault):
			t.Errorf("%q: no fault: %v", text, err)
		case at >= 0 && fault.at != at:
			t.Errorf("%q: fault at %d, want %d: %v", text, fault.at, at, err)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add(`has:jpg (cls==1 or cls=="a b") not size>1M key~"n0[1-3]" change:added`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseQuery(text); err != nil && !errors.As(err, new(*queryError)) {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// find returns the keys that a query finds, in order.
func (s *testServer) find(q string) string {
	s.t.Helper()
	var f filterJSON
	testtime.Eventually(s.t, "the end of filter "+q, func() bool {
		s.get("api/filter?q="+url.QueryEscape(q), &f)
		return f.Done == 1
	})
	var all samplesJSON
	s.get(fmt.Sprintf("api/samples?count=100&filter=%s", f.ID), &all)
	if all.Total != f.Total {
		s.t.Errorf("%s: %d samples, %d found", q, all.Total, f.Total)
	}
	var keys []string
	for _, one := range all.Samples {
		keys = append(keys, one.Key)
	}
	return strings.Join(keys, " ")
}

func TestFilter(t *testing.T) {
	name := writeShard(t,
		"train/a.cls", "1", "train/a.jpg", "1234567890",
		"train/b.cls", " 2\n", "train/b.json", `{"label":"cat","score":0.5,"box":{"kind":"x"},"tags":["new","old"]}`,
		"c.json", `{"label":"dog","score":2}`, "c.seg.png", "12",
		"d (1).txt", "some text", "d (1).cls", "seven",
	)
	s := serve(t, name)
	for q, want := range map[string]string{
		"":                                     "train/a train/b c d (1)",
		"train":                                "train/a train/b",
		"key:train/*":                          "train/a train/b",
		"key:c":                                "c",
		"key:trai":                             "",
		"key~^[a-c]$":                          "c",
		"key~(a|b)$":                           "train/a train/b",
		"key!~train":                           "c d (1)",
		`"d (1)"`:                              "d (1)",
		`key=="d (1)"`:                         "d (1)",
		"has:jpg":                              "train/a",
		"has:seg.png":                          "c",
		"has:png":                              "",
		"no:cls":                               "c",
		"jpg.size>=10":                         "train/a",
		"jpg.size<10":                          "",
		"size>1k":                              "",
		"size<=11":                             "train/a",
		"cls==1":                               "train/a",
		"cls==2":                               "train/b",
		"cls=2.0":                              "train/b",
		"cls!=1":                               "train/b d (1)",
		"cls>1":                                "train/b",
		"cls~^s":                               "d (1)",
		"json.label~cat":                       "train/b",
		"json.label==dog":                      "c",
		"json.score>=0.5":                      "train/b c",
		"json.box.kind==x":                     "train/b",
		"json.tags==old":                       "train/b",
		"json.nothing==1":                      "",
		"cls==1 or json.label~dog":             "train/a c",
		"not (has:cls or has:png)":             "c",
		"(has:cls) not cls==1":                 "train/b d (1)",
		"train (cls==1 or cls==2) not size>20": "train/a",
		"change:added":                         "",
	} {
		if found := s.find(q); found != want {
			t.Errorf("%s: %q, want %q", q, found, want)
		}
	}
}

// Samples are found by the names of their shards, with directories and without, and counted by them.
func TestShardFilter(t *testing.T) {
	first, second := writeShard(t, "a.txt", "x", "b.txt", "x"), writeShard(t, "c.txt", "x")
	moved := filepath.Join(filepath.Dir(second), "val-(1).tar")
	shardtest.Check(t, os.Rename(second, moved))
	s := serve(t, first, moved)
	for q, want := range map[string]string{
		"shard:shard.tar":                     "a b",
		"shard:shard":                         "",
		"shard:sh*":                           "a b",
		"shard:*":                             "a b c",
		"shard:" + filepath.Dir(moved) + "/*": "c",
		`shard=="` + moved + `"`:              "c",
		`shard!="val-(1).tar"`:                "a b",
		`shard~val`:                           "c",
		`shard!~^/`:                           "",
		`shard~"val-[(]1[)][.]tar$" or shard:sh* b`: "b c",
		`not shard:val-*`: "a b",
	} {
		if found := s.find(q); found != want {
			t.Errorf("%s: %q, want %q", q, found, want)
		}
	}
	var f facetsJSON
	testtime.Eventually(t, "the facets", func() bool {
		s.get("api/facets", &f)
		return f.Done == 1
	})
	if len(f.Shards) != 2 || f.Shards[first] != 2 || f.Shards[moved] != 1 {
		t.Errorf("%v", f.Shards)
	}
}

// Two filters at once do not disturb each other, one that was forgotten says so, and a fault is a bad request.
func TestFilters(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt", "b.txt"))
	if status, _, body := s.do("api/samples?filter=999", nil); status != 410 {
		t.Errorf("unknown filter: %d %s", status, body)
	}
	if status, _, body := s.do("api/filter?q=%28", nil); status != 400 || !strings.Contains(body, `"at":1`) {
		t.Errorf("fault: %d %s", status, body)
	}
	for i := range 2 * mostFilters {
		s.find(fmt.Sprintf("key:%d", i))
	}
	if n := len(s.g.filters.byText); n > mostFilters {
		t.Errorf("%d filters are kept", n)
	}
}

// The keys of a selection are what --keys takes, also if one has a newline.
func TestKeys(t *testing.T) {
	s := serve(t, shardtest.Write(t, "a.txt", "b.txt", "c\nd.txt", "\xffe.txt"))
	if _, h, body := s.do("api/keys?filter="+s.filterID("key~[ab]"), nil); body != "a\nb\n" ||
		h.Get("Content-Disposition") != `attachment; filename=keys.txt` {
		t.Errorf("%q %v", body, h)
	}
	if _, _, body := s.do("api/keys", nil); body != "a\x00b\x00c\nd\x00\xffe\x00" {
		t.Errorf("all: %q", body)
	}
}

func (s *testServer) filterID(q string) string {
	s.t.Helper()
	s.find(q)
	var f filterJSON
	s.get("api/filter?q="+url.QueryEscape(q), &f)
	return f.ID
}

// Of very many samples, all are found once and in their order, whatever the chunks are.
func TestManySamples(t *testing.T) {
	var members []string
	for i := range 3*chunkLen + 7 {
		members = append(members, fmt.Sprintf("%05d.txt", i))
	}
	s := serve(t, shardtest.Write(t, members...))
	var f filterJSON
	testtime.Eventually(t, "the filter", func() bool {
		s.get("api/filter?q=key~[05]$", &f)
		return f.Done == 1
	})
	want := 0
	for from := 0; from < f.Total; from += 400 {
		var all samplesJSON
		s.get(fmt.Sprintf("api/samples?from=%d&count=400&filter=%s", from, f.ID), &all)
		for _, one := range all.Samples {
			if one.N != want {
				t.Fatalf("sample %d, want %d", one.N, want)
			}
			want += 5
		}
	}
	if f.Total != (len(members)+4)/5 {
		t.Errorf("%d found of %d", f.Total, len(members))
	}
}

func TestFacets(t *testing.T) {
	name := writeShard(t, "a.cls", "1", "a.json", `{"label":"cat"}`, "b.cls", "1", "c.cls", "2", "c.txt", "x")
	s := serve(t, name)
	var f facetsJSON
	testtime.Eventually(t, "the facets", func() bool {
		s.get("api/facets", &f)
		return f.Done == 1
	})
	if got := fmt.Sprint(f); got !=
		"{1 map[cls:3 json:1 txt:1] map[json:2 txt:2] map[] map[cls:map[1:2 2:1] json.label:map[cat:1]]}" {
		t.Error(got)
	}
	testtime.Eventually(t, "the facets of a filter", func() bool {
		f = facetsJSON{}
		s.get("api/facets?filter="+s.filterID("cls==2"), &f)
		return f.Done == 1
	})
	if got := fmt.Sprint(f); got != "{1 map[cls:1 txt:1] map[] map[] map[cls:map[2:1]]}" {
		t.Error(got)
	}
}
