package source

import (
	"slices"
	"testing"
)

func TestExpandBraces(t *testing.T) {
	for _, tt := range []struct {
		name string
		want []string // nil: an error
	}{
		{"train.tar", []string{"train.tar"}},
		{"t-{0..2}.tar", []string{"t-0.tar", "t-1.tar", "t-2.tar"}},
		{"t-{9..11}", []string{"t-9", "t-10", "t-11"}},
		{"t-{0..10}", []string{"t-0", "t-1", "t-2", "t-3", "t-4", "t-5", "t-6", "t-7", "t-8", "t-9", "t-10"}},
		{"t-{008..010}", []string{"t-008", "t-009", "t-010"}},
		{"{train,val}-{0..1}", []string{"train-0", "train-1", "val-0", "val-1"}},
		{"{x}.tar", []string{"{x}.tar"}},
		{"open{.tar", []string{"open{.tar"}},
		{"{2..1}", nil},
		{"{a..b}", nil},
		{"{0..99999999}", nil},
		{"{0..9999}{0..9999}", nil},
	} {
		got, err := expandBraces(tt.name)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
			t.Errorf("expandBraces(%q) = %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
}
