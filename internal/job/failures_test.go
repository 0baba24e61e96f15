package job

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/store/memory"
)

func TestFailures(t *testing.T) {
	const (
		done   = `{"shard":"a.tar","key":"1","status":"done"}` + "\n"
		failed = `{"shard":"a.tar","key":"1","status":"failed","error":"exit status 1"}` + "\n"
		given  = `{"shard":"a.tar","status":"failed","error":"no such file"}` + "\n"
	)
	for _, tt := range []struct {
		report string
		want   Failures
		line   string // of the error, if there is one
	}{
		{"", Failures{}, ""},
		{done, Failures{}, ""},
		{failed + done + failed + `{"status":"failed"}` + "\n" + `{"shard_hex":"ff","status":"failed"}` + "\n",
			Failures{"a.tar": {Samples: 2}, "": {Samples: 1}, "\xff": {Samples: 1}}, ""},
		{failed + failed[:20], Failures{"a.tar": {Samples: 1}}, ""},
		{given + failed, Failures{"a.tar": {1, "no such file"}}, ""},
		{done + "x\n", nil, "line 2"},
		{done + "\n", nil, "line 2"},
		{"{}\n", nil, "line 1"},
		{`{"shard_hex":"f","status":"failed"}` + "\n", nil, "line 1"},
		{strings.Repeat("x", 2<<20), nil, "line 1"},
	} {
		st := memory.New()
		st.Put("report", []byte(tt.report))
		got := make(Failures)
		err := got.Read(t.Context(), st, "report")
		if tt.line == "" && (err != nil || !maps.Equal(got, tt.want)) {
			t.Errorf("%.40q: %v, %v, want %v", tt.report, got, err, tt.want)
		}
		if tt.line != "" && (!errors.Is(err, ErrNotReport) || !strings.Contains(err.Error(), "report: "+tt.line+": ")) {
			t.Errorf("%.40q: %v, want an error in %s", tt.report, err, tt.line)
		}
	}
	if err := make(Failures).Read(t.Context(), memory.New(), "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing report: %v", err)
	}
}
