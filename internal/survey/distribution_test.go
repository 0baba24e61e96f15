package survey

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		numbers               []int64
		least, median, most   int64
		sum, count, histogram int64
	}{
		{nil, 0, 0, 0, 0, 0, 0},
		{[]int64{7}, 7, 7, 7, 7, 1, 1},
		{[]int64{5, 1, 3}, 1, 3, 5, 9, 3, 3},
		{[]int64{4, 1, 3, 2}, 1, 2, 4, 10, 4, 4},
		{[]int64{-1, 0}, 0, 0, 0, 0, 2, 1},
		{[]int64{1000000, 1000001, 1}, 1, 1000000, 1000001, 2000002, 3, 2},
		{[]int64{math.MaxInt64}, math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64, 1, 1},
	} {
		var d Distribution
		for _, n := range tt.numbers {
			d.Add(n)
		}
		if d.Min() != tt.least || d.Median() != tt.median || d.Max() != tt.most || d.Sum() != tt.sum ||
			d.Count() != tt.count || int64(len(d.Histogram())) != tt.histogram {
			t.Errorf("%v: %d, %d, %d, sum %d, count %d, %v", tt.numbers, d.Min(), d.Median(), d.Max(), d.Sum(),
				d.Count(), d.Histogram())
		}
	}
}

// With more different numbers than are counted one by one, the median is exact to 0.8 %, and all else still exact. What is
// merged is what would have been counted together, in whatever order, and JSON keeps it.
func TestDistributionOfManyNumbers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var all, first, second Distribution
	var numbers []int64
	for i := range 200000 {
		n := int64(math.Exp(random.NormFloat64() + 11))
		numbers = append(numbers, n)
		all.Add(n)
		if i%3 == 0 {
			first.Add(n)
		} else {
			second.Add(n)
		}
	}
	slices.Sort(numbers)
	exact := numbers[len(numbers)/2]
	if m := all.Median(); math.Abs(float64(m-exact)) > 0.008*float64(exact) || m == exact {
		t.Errorf("median %d, want about %d", m, exact)
	}
	if len(all.numbers) > precise {
		t.Errorf("%d numbers are kept", len(all.numbers))
	}
	one, other := Distribution{}, Distribution{}
	one.Merge(&first)
	one.Merge(&second)
	other.Merge(&second)
	other.Merge(&first)
	for name, d := range map[string]*Distribution{"merged": &one, "merged the other way": &other} {
		if d.Median() != all.Median() || !reflect.DeepEqual(*d, all) {
			t.Errorf("%s: median %d of %d, want %d of %d", name, d.Median(), d.Count(), all.Median(), all.Count())
		}
	}
	text, err := json.Marshal(&all)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 20000 {
		t.Errorf("%d bytes of JSON", len(text))
	}
	var again Distribution
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, all) {
		t.Errorf("from JSON: %v, %d of %d", err, again.Median(), again.Count())
	}
}

// A median is the same before and after JSON, until something is added.
func TestDistributionFromJSON(t *testing.T) {
	var d, again Distribution
	for _, n := range []int64{1001, 1002, 1003, 900000} {
		d.Add(n)
	}
	text, _ := json.Marshal(&d)
	if err := json.Unmarshal(text, &again); err != nil || again.Median() != 1002 {
		t.Errorf("%v: %d, want 1002", err, again.Median())
	}
	again.Add(5)
	if m := again.Median(); m < 995 || m > 1010 {
		t.Errorf("%d, want about 1002", m)
	}
	for text, want := range map[string]string{
		`{"count":2,"histogram":[[1,1]]}`:   "has 1",
		`{"count":1,"histogram":[[129,1]]}`: "a step",
		`{"count":1,"histogram":[[-1,1]]}`:  "a step",
		`{"count":0,"histogram":[]}`:        "",
		`[]`:                                "cannot unmarshal",
	} {
		err := json.Unmarshal([]byte(text), &again)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestTally(t *testing.T) {
	var a, b Tally
	for range 3 {
		a.Add("cat")
	}
	a.Add("dog")
	b.Add("dog")
	b.Add("\xff")
	b.Add(strings.Repeat("x", MaxValue+1))
	a.Merge(&b)
	want := []Value{{"cat", 3}, {"dog", 2}, {"\xff", 1}}
	if got := a.Values(); !slices.Equal(got, want) || a.Others() != 1 || a.Count() != 7 {
		t.Errorf("%v and %d, want %v and 1", got, a.Others(), want)
	}
	for i := range MaxValues + 5 {
		b.Add(string(rune('a'+i%26)) + strings.Repeat("y", i/26%150) + strings.Repeat("z", i/26/150))
	}
	if n := len(b.Values()); n > MaxValues || b.Others() < 5 {
		t.Errorf("%d values, %d others", n, b.Others())
	}
}
