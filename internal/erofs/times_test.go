package erofs

import "testing"

func TestReadsShortTimes(t *testing.T) {
	for release, want := range map[string]bool{
		"": false, "x": false, "6": false, "5.19.0": false, "6.12.48+deb13-amd64": false, "6.14-rc1": false,
		"6.15.0": true, "6.15-rc2": true, "6.18.44": true, "7.0.0": true,
	} {
		if got := readsShortTimes(release); got != want {
			t.Errorf("readsShortTimes(%q) = %v", release, got)
		}
	}
}
