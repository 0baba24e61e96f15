package output

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/ui"
)

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		shards  []string
		want    []string
	}{
		{"o/{name}.tar", []string{"a.tar", "in/b.tar.gz", "c.v2.tgz"}, []string{"o/a.tar", "o/b.tar", "o/c.v2.tar"}},
		{"{name}.tgz", []string{"s3://b/x/a.tar", "s3://b/x/d?e.tar"}, []string{"a.tgz", "d?e.tgz"}},
		{"{name}.tar", []string{"https://h/x/a.tar?sig=/x.tar", "az://A/c/b.tar?sv=/s"}, []string{"a.tar", "b.tar"}},
		{"s3://out/{name}.tar", []string{"ais://@C/b/a", "mnt/", "c.bin"}, []string{
			"s3://out/a.tar", "s3://out/mnt.tar", "s3://out/c.bin.tar"}},
		{"{index}.tar", []string{"-", "pipe:cat a.tar"}, []string{"0.tar", "1.tar"}},
		{"{index:04d}-{name}-{index}.tar", []string{"a.tar", "b.tar"}, []string{"0000-a-0.tar", "0001-b-1.tar"}},
		{"{name}.tar", []string{"{index}.tar", "{name}.tgz", "%d"}, []string{"{index}.tar", "{name}.tar", "%d.tar"}},
		{"{name}/{name}-%06d.tar", []string{"a.tar"}, []string{"a/a-%06d.tar"}},
		{"{name}.tar", []string{"..tar", "a/.tar"}, []string{"..tar.tar", ".tar.tar"}},
		{"{name}.tar", nil, []string{}},
	} {
		p, err := ParsePattern("-o", tt.pattern)
		if err != nil || p == nil {
			t.Errorf("%s: %v, %v", tt.pattern, p, err)
			continue
		}
		if got, err := p.Outputs(tt.shards); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s of %q: %q, %v, want %q", tt.pattern, tt.shards, got, err, tt.want)
		}
	}
}

// TestPatternRefused checks that what cannot be the user's meaning is a mistake in the command line, and that the message
// says why.
func TestPatternRefused(t *testing.T) {
	for _, tt := range []struct {
		pattern string
		shards  []string
		says    string
	}{
		{
			"{name}.tar", []string{"a/x.tar", "b.tar", "b/x.tgz"},
			"x.tar would be the output of two shards, a/x.tar and b/x.tgz",
		},
		{"s3://o/{name}.tar", []string{"https://u:p@h/x.tar?secret", "x.tar"}, "https://h/x.tar and x.tar"},
		{
			"{name}{index}.tar", append(append([]string{"b1"}, slices.Repeat([]string{"c"}, 9)...), "b"),
			"shards, b1 and b",
		},
		{"{name}/x.tar", []string{"s3://b/.."}, "s3://b/.. has no name"},
		{"{name}/x.tar", []string{"s3://b/x/."}, "has no name"},
		{"{name}/x.tar", []string{"/"}, "has no name"},
		{"{name}.tar", []string{"."}, "has no name"},
		{"{name}.tar", []string{"-"}, "- has no name"},
		{"{name}.tar", []string{"pipe:cat secret"}, "pipe:cat has no name"},
		{"{name}.tar", []string{"s3://b/a\x00b"}, "has no name"},
		{"{nmae}.tar", nil, "{nmae} is not a field"},
		{"{index:4d}.tar", nil, "{index:4d} is not a field"},
		{"{index:04}.tar", nil, "{index:04} is not a field"},
		{"{}.tar", nil, "{} is not a field"},
		{"out-{0..3}.tar", nil, "{0..3} is not a field"},
		{"s3://user:secret@h/{x}.tar", nil, "s3://h/{x}.tar"},
		{"pipe:cat >{name}.tar", nil, "pipe:cat: the text of a command has no fields"},
	} {
		p, err := ParsePattern("-o", tt.pattern)
		if err == nil {
			_, err = p.Outputs(tt.shards)
		}
		if !errors.As(err, new(*ui.UsageError)) || !strings.Contains(err.Error(), tt.says) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s of %q: %v, want a mistake in the command line: %s", tt.pattern, tt.shards, err, tt.says)
		}
	}
	for _, name := range []string{"out.tar", "-", "s3://b/out-%d.tar", "out{.tar", "}{.tar", "pipe:awk '{print}' >x"} {
		if p, err := ParsePattern("-o", name); p != nil || err != nil {
			t.Errorf("%s: %v, %v, want no pattern", name, p, err)
		}
	}
}
