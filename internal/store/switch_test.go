package store

import (
	"errors"
	"testing"
)

func TestSwitch(t *testing.T) {
	for value, want := range map[string]bool{
		"": false, "no": false, "OFF": false, "0": false, "False": false, "f": false,
		"YES": true, "on": true, "1": true, "true": true, "True": true, "TRUE": true, "t": true,
	} {
		if got, err := Switch("X_ANONYMOUS", value); got != want || err != nil {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	_, err := Switch("X_ANONYMOUS", "maybe")
	if !errors.Is(err, ErrName) || err.Error() != "X_ANONYMOUS is malformed: want yes or no" {
		t.Errorf("maybe: %v", err)
	}
}
