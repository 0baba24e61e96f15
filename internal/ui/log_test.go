package ui

import (
	"strings"
	"testing"
)

func TestLastError(t *testing.T) {
	for _, tt := range []struct {
		log, last string
		n         int
	}{
		{"", "", 0},
		{"shardfs: index from x\nshardfs: warning: error: y\n", "", 0},
		{"shardfs: error: a: b\nshardfs: x\nshardfs: error: c: d\nshardfs: hint: e\n", "c: d", 2},
		{`{"level":"info","message":"a"}` + "\n" + `{"level":"error","message":"b"}` + "\n", "b", 1},
	} {
		if last, n := LastError(strings.NewReader(tt.log)); last != tt.last || n != tt.n {
			t.Errorf("LastError(%q) = %q, %d", tt.log, last, n)
		}
	}
}
