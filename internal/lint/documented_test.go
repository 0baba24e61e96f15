package lint

import (
	"bytes"
	"os"
	"testing"
)

// Every code is documented.
func TestDocumented(t *testing.T) {
	semantics, err := os.ReadFile("../../docs/semantics.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := range rules {
		if !bytes.Contains(semantics, []byte("`"+code+"`")) {
			t.Errorf("%s is not documented", code)
		}
	}
}
