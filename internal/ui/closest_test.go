package ui

import "testing"

func TestClosest(t *testing.T) {
	words := []string{"mount", "umount", "run", "ls", "--retries", "--report", "--on-error"}
	for typed, want := range map[string]string{
		"moutn": "mount", "unmount": "umount", "rnu": "run", "--retrys": "--retries", "--onerror": "--on-error",
		"convert": "", "x": "", "": "", "--worker": "",
	} {
		if got := Closest(typed, words); got != want {
			t.Errorf("%s: %s, want %s", typed, got, want)
		}
	}
}
