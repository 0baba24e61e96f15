package source

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/shard"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// memberPattern returns a matcher for a name with *, ? or [...], which stand for any characters, also slashes; nil if it has
// none of them.
func memberPattern(name string) *regexp.Regexp {
	if !strings.ContainsAny(name, "*?[") {
		return nil
	}
	text := regexp.QuoteMeta(name)
	text = strings.NewReplacer(`\*`, `.*`, `\?`, `.`, `\[!`, `[^`, `\[`, `[`, `\]`, `]`).Replace(text)
	m, err := regexp.Compile(`(?s)^(?:` + text + `)$`)
	if err != nil {
		return nil // not UTF-8, or a bracket that is not closed: only a name
	}
	return m
}

// rowOf returns the row of a member, given its name.
func rowOf(x *index.Index, name string) (row int, ok bool) {
	key, ext, ok := index.SplitName(name)
	if !ok {
		return 0, false
	}
	number, ok := x.FindKey(key)
	if !ok {
		return 0, false
	}
	s := x.Sample(number)
	for row := s.Start; row < s.End; row++ {
		if x.InSample(row) && x.Member(row).Ext == ext {
			return row, true
		}
	}
	return 0, false
}

// Rows returns the rows of the members that a name stands for: a member, all of a sample, or those that a pattern
// matches, in the order of the tar.
func Rows(x *index.Index, name string) (rows []int) {
	add := func(number int, want func(row int) bool) {
		s := x.Sample(number)
		for row := s.Start; row < s.End; row++ {
			if x.InSample(row) && want(row) {
				rows = append(rows, row)
			}
		}
	}
	if row, ok := rowOf(x, name); ok {
		return []int{row}
	}
	if number, ok := x.FindKey(name); ok {
		add(number, func(int) bool { return true })
	} else if m := memberPattern(name); m != nil {
		for number := range x.Samples() {
			key := x.Key(number)
			whole := m.MatchString(key)
			add(number, func(row int) bool { return whole || m.MatchString(key+"."+x.Member(row).Ext) })
		}
	}
	return rows
}

// Near says what in a shard is near a name that it does not have; "" if nothing is. That a name is missing is not certain
// if it is missing in the index of another tool.
func Near(sh *shard.Shard, name string) string {
	hint := near(sh.Index, name)
	if hint == "" && sh.Foreign != "" {
		return "so says an index of another tool beside the shard; --index none looks into the shard itself"
	}
	return hint
}

func near(x *index.Index, name string) string {
	key, ext, isMember := index.SplitName(name)
	if dir, file, ok := strings.Cut(name, "/"+"sample."); ok {
		if _, found := x.FindKey(dir); found {
			return fmt.Sprintf("in a mount it is %s, in the shard %s.%s", ui.Printable(name), ui.Printable(dir), file)
		}
	}
	if number, found := x.FindKey(key); found && isMember && ext != "" {
		var exts []string
		s := x.Sample(number)
		for row := s.Start; row < s.End && len(exts) < 20; row++ {
			if other := x.Member(row).Ext; x.InSample(row) && !slices.Contains(exts, other) {
				exts = append(exts, other)
			}
		}
		return fmt.Sprintf("%s has no %s; it has %s", ui.Printable(key), ext, strings.Join(exts, ", "))
	}
	chooser := pack.NewChooser("", pack.Choice{Keys: pack.NewKeys("", []string{name})})
	for key := range x.Keys() {
		chooser.Take(key)
	}
	var missing *pack.MissingKeysError
	if errors.As(chooser.Missing(), &missing) && missing.Hint() != "" {
		return missing.Hint()
	}
	switch {
	case codec.TrimSuffix(name) != name:
		return "there is no file of that name, so it is taken for a key"
	case memberPattern(name) != nil:
		return "neither a key nor a member matches"
	}
	return ""
}
