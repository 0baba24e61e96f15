package survey

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// A page has all parts, needs nothing from elsewhere, runs nothing, and takes no name or value for markup.
func TestHTML(t *testing.T) {
	const evil = `<script>alert(1)</script><img src=//example.com/x onerror=alert(1)>`
	s := survey(t, everything, append(examples(), [2]string{evil[8:20] + ".cls", evil},
		[2]string{"z.<b>", "1"}, [2]string{"y.json", `{"<i>":"<u>"}`}, [2]string{"x\xff.txt", "x"})...)
	more := survey(t, everything, examples()...)
	more.Shards[0].Name = "<s>.tar"
	s.Merge(more)
	var b bytes.Buffer
	shardtest.Check(t, s.WriteHTML(&b, "<em>title</em>"))
	page := b.String()
	for _, markup := range []string{"<script", "<img", "<b>", "<i>", "<u>", "<s>", "<em>", "<a", "<link", "<iframe"} {
		if strings.Contains(page, markup) {
			t.Errorf("the page has %q", markup)
		}
	}
	for _, want := range []string{
		"<h1>&lt;em&gt;title", "default-src 'none'", "samples of each shard", "bytes of json", "samples by cls",
		"width in pixels", "Texts: txt", "Fields of json", "Findings of check", "duplicate-extension", "&lt;script",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	b.Reset()
	shardtest.Check(t, new(Survey).WriteHTML(&b, "nothing"))
	if !strings.Contains(b.String(), "<h1>nothing") {
		t.Errorf("of no samples: %s", b.String())
	}
}

// The ranges of a plot are few, follow each other and have all numbers.
func TestRanges(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, most := range []int64{1, 2, 30, 200, 5000, 1 << 20, 1 << 40, math.MaxInt64} {
		for _, least := range []int64{0, 1, 100, most / 2} {
			if least >= most {
				continue
			}
			var d Distribution
			d.Add(least)
			d.Add(most)
			for range 1000 {
				d.Add(least + random.Int64N(most-least))
			}
			list := ranges(&d)
			var count int64
			for i, r := range list {
				count += r.count
				if r.from > r.to || i > 0 && r.from != list[i-1].to+1 {
					t.Errorf("%d to %d: the ranges are %v", least, most, list)
					break
				}
			}
			if count != d.Count() || len(list) > 65 || list[0].from != least || list[len(list)-1].to != most {
				t.Errorf("%d to %d: %d of %d in %d ranges: %v", least, most, count, d.Count(), len(list), list)
			}
		}
	}
}
