package output

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// Pattern is the name of outputs of which there is one for each shard, with fields: {name} stands for the base name of
// the shard without the extensions of tar and compression, {index} for its number among all shards, from 0, and
// {index:04d} for at least four digits of it.
type Pattern struct {
	flag   string // that names it, for messages
	text   string
	texts  []string // before, between and after the fields
	fields []patternField
}

// patternField is a place in a Pattern.
type patternField struct {
	index bool // the number of the shard, and not its name
	width int  // least number of digits; 0 for {index}
}

// indexField is a regular expression for {index} and {index:04d}; its group is the width.
const indexField = `\{index(?::0([1-9][0-9]?)d)?\}`

// fieldsText names the fields of patterns, for messages.
const fieldsText = "{name}, {index} and {index:04d}"

// ParsePattern parses the name of outputs that a flag has. It returns nil for a name without fields, which is that of a
// single output, and so for standard output and for pipes: a command's text gets no names.
func ParsePattern(flag, name string) (*Pattern, error) {
	field := regexp.MustCompile(`\{[^{}]*\}`)
	shown := store.Redact(name)
	if pipe.Is(name) {
		if strings.Contains(name, "{name}") || strings.Contains(name, "{index") {
			const why = "the text of a command has no fields: one command reads the samples of all shards"
			return nil, ui.Usagef("%s %s: %s", flag, pipe.Shown(name), why)
		}
		return nil, nil
	}
	p := &Pattern{flag: flag, text: name, texts: field.Split(name, -1)}
	for _, f := range field.FindAllString(name, -1) {
		number := regexp.MustCompile("^" + indexField + "$").FindStringSubmatch(f)
		switch {
		case f == "{name}":
			p.fields = append(p.fields, patternField{})
		case number != nil:
			width, _ := strconv.Atoi(number[1]) // 0 where there is none
			p.fields = append(p.fields, patternField{true, width})
		default:
			err := ui.Usagef("%s %s: %s is not a field of names of outputs", flag, shown, f)
			return nil, ui.WithHint(err, "the fields are "+fieldsText)
		}
	}
	if len(p.fields) == 0 {
		return nil, nil
	}
	return p, nil
}

// ParseTaskPattern parses the name of the outputs of a task of an array. One without fields is that of the output of an only
// shard.
func ParseTaskPattern(flag, name string) (*Pattern, error) {
	p, err := ParsePattern(flag, name)
	if p == nil && err == nil {
		p = &Pattern{flag: flag, text: name, texts: []string{name}}
	}
	return p, err
}

// String returns the pattern as the user gave it, without credentials.
func (p *Pattern) String() string { return store.Redact(p.text) }

// Outputs returns the name of the output of each shard, which all differ. Shards are all those of a command line, so
// that the tasks of an array agree on their numbers.
func (p *Pattern) Outputs(shards []string) ([]string, error) {
	if len(p.fields) == 0 && len(shards) > 1 {
		err := ui.Usagef("%s %s: the tasks over %s would all write it", p.flag, p, ui.Count(len(shards), "shard"))
		return nil, ui.WithHint(err, "with {name} or {index} in its name there is one for each")
	}
	first := make(map[string]int, len(shards)) // shards by their outputs
	outputs := make([]string, len(shards))
	for i, shard := range shards {
		name, err := p.of(shard, i)
		if err != nil {
			return nil, err
		}
		if before, ok := first[name]; ok {
			err := ui.Usagef("%s %s: %s would be the output of two shards, %s and %s",
				p.flag, p, store.Redact(name), shownShard(shards[before]), shownShard(shard))
			return nil, ui.WithHint(err, "{index} tells shards of one name apart")
		}
		first[name], outputs[i] = i, name
	}
	return outputs, nil
}

// of returns the name of the output of a shard.
func (p *Pattern) of(shard string, number int) (string, error) {
	var b strings.Builder
	for i, text := range p.texts {
		b.WriteString(text)
		switch {
		case i == len(p.fields):
		case p.fields[i].index:
			fmt.Fprintf(&b, "%0*d", p.fields[i].width, number)
		default:
			name := baseOf(shard)
			if name == "" {
				err := ui.Usagef("%s %s: %s has no name that can be a part of another", p.flag, p, shownShard(shard))
				return "", ui.WithHint(err, "{index} stands for the number of a shard")
			}
			b.WriteString(name)
		}
	}
	return b.String(), nil
}

// baseOf returns the base name of a shard without the extensions of tar and compression; "" if it has none, as a
// stream, or if it would mean something else in the name of a file.
func baseOf(shard string) string {
	if pipe.Is(shard) {
		return ""
	}
	object, _ := store.CutQuery(shard)
	_, rest := store.Split(object)
	switch name := codec.TrimSuffix(path.Base(rest)); {
	case name == "-", name == ".", name == "..", strings.ContainsAny(name, "/\x00"):
		return ""
	default:
		return name
	}
}

// shownShard returns the name of a shard for messages.
func shownShard(shard string) string { return pipe.Shown(store.Redact(shard)) }
