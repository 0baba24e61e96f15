package manifest

import (
	"os"
	"strings"
	"testing"
)

// A manifest written by hand is admitted, without warnings, with the server's defaults, and its pods are restricted.
func TestAdmit(t *testing.T) {
	m := admit(t, byHand(t))
	if len(m.Warnings) > 0 {
		t.Errorf("warnings: %q", m.Warnings)
	}
	if forbidden := m.Restricted(); forbidden != "" {
		t.Errorf("not restricted: %s", forbidden)
	}
	if m.Job.Spec.Suspend == nil || len(m.ConfigMaps) != 1 {
		t.Errorf("kept: %+v", m.Job.Spec)
	}
}

// byHand returns the manifest that the tests change.
func byHand(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/by-hand.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func admit(t *testing.T, text string) *Manifest {
	t.Helper()
	m, err := Admit([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// with replaces a text that is in a manifest once.
func with(t *testing.T, manifest, old, new string) string {
	t.Helper()
	if n := strings.Count(manifest, old); n != 1 {
		t.Fatalf("%q is in the manifest %d times", old, n)
	}
	return strings.Replace(manifest, old, new, 1)
}
