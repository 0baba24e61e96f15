package corpus

import (
	"archive/zip"
	"bytes"
	"testing"
)

// Every archive has an expectation, and none has two.
func TestArchives(t *testing.T) {
	z, err := zip.NewReader(bytes.NewReader(archives), int64(len(archives)))
	if err != nil {
		t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, a := range Archives(t) {
		if known[a.Name] {
			t.Errorf("%s has two expectations", a.Name)
		}
		known[a.Name] = true
	}
	for _, f := range z.File {
		if !known[f.Name] {
			t.Errorf("%s has no expectation", f.Name)
		}
	}
}
