package lint

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/shardfs/shardfs/index"
)

// maxComponent is the length in bytes of the longest name that a directory entry can have.
const maxComponent = 255

// checkPath checks the components of a member's name.
func (s *Shard) checkPath(at subject) {
	name := at.member
	if strings.HasPrefix(name, "/") {
		s.report(AbsoluteName, at)
		name = name[1:]
	}
	parent, dot, long := false, false, false
	for component := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		switch component {
		case "..":
			parent = true
		case ".", "":
			dot = true
		}
		long = long || len(component) > maxComponent
	}
	s.reportIf(parent, ParentName, at)
	s.reportIf(dot, DotName, at)
	s.reportIf(long, LongName, at)
}

// checkBytes checks the bytes of a regular member's name.
func (s *Shard) checkBytes(at subject) {
	control, blank, high := false, false, false
	for i := range len(at.member) {
		switch c := at.member[i]; {
		case c == ' ':
			blank = true
		case c < ' ' || c == 0x7f:
			control = true
		case c >= utf8.RuneSelf:
			high = true
		}
	}
	valid := !high || utf8.ValidString(at.member)
	s.reportIf(!valid, NotUTF8, at)
	s.reportIf(high && valid, NotASCII, at)
	s.reportIf(control, Control, at)
	s.reportIf(blank, Blank, at)
}

// checkOutside reports why a regular member is outside samples.
func (s *Shard) checkOutside(at subject) {
	base := at.member[strings.LastIndexByte(at.member, '/')+1:]
	switch {
	case index.IsMeta(at.member):
		s.report(Meta, at)
	case strings.HasPrefix(base, "."):
		s.report(Hidden, at)
	case !strings.Contains(base, "."):
		s.report(NoExtension, at)
	default:
		s.report(Newline, at)
	}
}

// reserved has the extensions that readers use internally, and what they do with a member that has one.
var reserved = map[string]string{
	"__key__": "WebDataset has a field of that name itself, and refuses the shard",
	"__url__": "WebDataset has a field of that name itself, and refuses the shard",
	"__local_path__": "WebDataset has a field of that name itself where it caches shards, and " +
		"replaces the member by it",
	"__bad__":    "WebDataset drops a sample that has it",
	"__source__": "tarproc has a file of that name itself, and drops the member",
}

// checkExtension checks the extension of a sample's member of size bytes.
func (s *Shard) checkExtension(ext string, size int64, at subject) {
	lower := fold(ext)
	fate := reserved[lower]
	if lower == "__bad__" && size == 0 {
		fate = "" // no problem for WebDataset
	}
	switch {
	case ext == "":
		s.report(EmptyExtension, at)
	case fate != "":
		s.report(ReservedExtension, at, fate)
	case ext[0] == '_':
		s.report(UnderscoreExtension, at)
	case ext[0] == '.':
		s.report(DoubleDot, at)
	}
	s.reportIf(strings.HasSuffix(at.key, "/"), HiddenKey, at)
	s.reportIf(lower != ext, UpperCase, at)
	if strings.Contains(ext, ".") {
		s.dotted.add(s.c.hash(lower), at)
	}
	s.checkDuplicate(ext, lower, at)
}

func (s *Shard) reportIf(found bool, code Code, at subject) {
	if found {
		s.report(code, at)
	}
}

// fold returns a text in lower case. Unlike strings.ToLower, it keeps bytes that are not valid UTF-8.
func fold(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r != unicode.ToLower(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError {
			b.WriteString(text[:n])
		} else {
			b.WriteRune(unicode.ToLower(r))
		}
		text = text[n:]
	}
	return b.String()
}
