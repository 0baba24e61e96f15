package index

import (
	"fmt"
	"testing"
)

func TestOrder(t *testing.T) {
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("%05d.jpg", i))
	}
	for _, tt := range []struct {
		name  string
		names []string
		want  Order
	}{
		{"empty", nil, Order{true, true, 0}},
		{"one", []string{"a.jpg"}, Order{true, true, 1}},
		{"ascending", []string{"a.jpg", "ab.jpg", "b.jpg"}, Order{true, true, 2}},
		{"descending", []string{"b.jpg", "a.jpg"}, Order{true, false, 1}},
		{"by bytes, unsigned", []string{"a.jpg", "\xff.jpg"}, Order{true, true, 1}},
		{"many", many, Order{true, true, 5}},
		{"many and one", append(many, "00000a.jpg"), Order{true, false, 6}},
		{"in a directory", []string{"d/a.jpg", "d/b.jpg"}, Order{false, true, 1}},
		{"of two directories", []string{"d/x.jpg", "e/a.jpg", "e/bcd.jpg"}, Order{false, true, 3}},
		{"in a directory, descending", []string{"d/b.jpg", "e/x.jpg", "d/a.jpg"}, Order{false, false, 1}},
		{"between others", []string{"d/b.jpg", "e/x.jpg", "d/c.jpg"}, Order{false, true, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := indexOf(t, tt.names...).Order(); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}
