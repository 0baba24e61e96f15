package kubernetes

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// object is a map whose fields have an order. A field whose value is nil is left out. Values are objects, lists, texts, numbers
// (int) and truth values.
type object []field

type field struct {
	name  string
	value any
}

// list is a list of such values.
type list []any

// orNil returns a value if it is to be there.
func orNil(value any, there bool) any {
	if !there {
		return nil
	}
	return value
}

// fields returns the fields that are not left out.
func (o object) fields() []field {
	var there []field
	for _, f := range o {
		if f.value != nil {
			there = append(there, f)
		}
	}
	return there
}

// writer writes values as YAML or as JSON.
type writer struct{ bytes.Buffer }

// yaml writes the lines of a value. The cursor is after "KEY:" or "-"; indent is that of the lines below.
func (w *writer) yaml(value any, indent int, inList bool) {
	margin := strings.Repeat("  ", indent)
	switch v := value.(type) {
	case object:
		fields := v.fields()
		if len(fields) == 0 {
			w.WriteString(" {}\n")
			return
		}
		for i, f := range fields {
			switch {
			case i > 0:
				w.WriteString(margin)
			case inList:
				w.WriteByte(' ')
			default:
				w.WriteString("\n" + margin)
			}
			w.WriteString(yamlKey(f.name) + ":")
			w.yaml(f.value, indent+1, false)
		}
	case list:
		w.WriteByte('\n')
		for _, item := range v { // as kubectl prints them, not further to the right than their key
			w.WriteString(strings.Repeat("  ", indent-1) + "-")
			w.yaml(item, indent, true)
		}
	case string:
		if header := blockHeader(v); header != "" {
			w.WriteString(" " + header + "\n")
			for line := range strings.Lines(v) {
				if line != "\n" {
					line = margin + line
				}
				w.WriteString(line)
			}
			if !strings.HasSuffix(v, "\n") {
				w.WriteByte('\n')
			}
			return
		}
		w.WriteString(" " + quote(v) + "\n")
	default:
		fmt.Fprintf(w, " %v\n", v)
	}
}

// json writes a value.
func (w *writer) json(value any, indent int) {
	margin := strings.Repeat("  ", indent)
	switch v := value.(type) {
	case object:
		fields := v.fields()
		if len(fields) == 0 {
			w.WriteString("{}")
			return
		}
		w.WriteString("{\n")
		for i, f := range fields {
			w.WriteString(margin + "  " + quote(f.name) + ": ")
			w.json(f.value, indent+1)
			w.WriteString(comma(i < len(fields)-1) + "\n")
		}
		w.WriteString(margin + "}")
	case list:
		w.WriteString("[\n")
		for i, item := range v {
			w.WriteString(margin + "  ")
			w.json(item, indent+1)
			w.WriteString(comma(i < len(v)-1) + "\n")
		}
		w.WriteString(margin + "]")
	case string:
		w.WriteString(quote(v))
	default:
		fmt.Fprintf(w, "%v", v)
	}
}

func comma(more bool) string {
	if more {
		return ","
	}
	return ""
}

// yamlKey returns a key, between quotes if it could be anything else than a text.
func yamlKey(key string) string {
	plain := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*([./_-]+[A-Za-z0-9]+)*$`)
	words := " true false null yes no on off y n "
	if plain.MatchString(key) && !strings.Contains(words, " "+strings.ToLower(key)+" ") {
		return key
	}
	return quote(key)
}

// quote returns a text of UTF-8 between quotes, as both JSON and YAML have it. It escapes what a terminal would obey or not
// show. YAML has no pairs of surrogates, so larger characters, all of which both may contain, are not escaped.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r <= 0xffff && !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// blockHeader returns how a text of several lines begins as a block of YAML, in which they are as they are; "" for a text
// that would be another one there.
func blockHeader(s string) string {
	if !strings.Contains(strings.TrimSuffix(s, "\n"), "\n") || strings.ContainsAny(s[:1], " \t\n") {
		return ""
	}
	for _, r := range s {
		if r != '\n' && (r == utf8.RuneError || !strconv.IsPrint(r)) {
			return ""
		}
	}
	switch {
	case strings.HasSuffix(s, "\n\n"):
		return ""
	case strings.HasSuffix(s, "\n"):
		return "|"
	}
	return "|-"
}

// appliedSize returns how long the copy of an object is that kubectl apply keeps in an annotation.
func appliedSize(o object) int {
	text, _ := json.Marshal(plain(o)) // nothing in it can fail
	return len(text)
}

// plain returns a value as encoding/json knows it.
func plain(value any) any {
	switch v := value.(type) {
	case object:
		m := make(map[string]any)
		for _, f := range v.fields() {
			m[f.name] = plain(f.value)
		}
		return m
	case list:
		all := make([]any, len(v))
		for i, item := range v {
			all[i] = plain(item)
		}
		return all
	}
	return value
}
