package main

import (
	"runtime/debug"
	"testing"
)

func TestOwnVersion(t *testing.T) {
	for _, tt := range []struct{ linked, module, want string }{
		{"v0.1.0", "v0.1.0-0.20260101000000-0123456789ab+dirty", "v0.1.0"}, // make build
		{unknownVersion, "v0.1.0", "v0.1.0"},                               // go install ...@latest
		{unknownVersion, "(devel)", unknownVersion},
		{unknownVersion, "", unknownVersion}, // a test
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: tt.module}}
		if got := ownVersion(tt.linked, info); got != tt.want {
			t.Errorf("%s of %s: %s, want %s", tt.linked, tt.module, got, tt.want)
		}
	}
	if got := ownVersion(unknownVersion, nil); got != unknownVersion {
		t.Errorf("without build information: %s", got)
	}
}
