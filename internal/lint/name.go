package lint

import (
	"slices"
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
		name = strings.TrimLeft(name, "/")
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
		case c == '\n': // see checkNewline
		case c < ' ' || c == 0x7f:
			control = true
		case c >= utf8.RuneSelf:
			high = true
		}
	}
	valid := !high || utf8.ValidString(at.member)
	if !valid {
		s.reportCase(NotUTF8, s.notUTF8Part(at.member), at)
	}
	s.reportIf(high && valid, NotASCII, at)
	s.reportIf(control, Control, at)
	s.reportIf(strings.Contains(at.member, "\\"), Backslash, at)
	switch {
	case strings.HasSuffix(at.member, " "):
		s.reportCase(Blank, "last", at)
	case blank:
		s.report(Blank, at)
	}
	if strings.Contains(at.member, "\n") {
		s.checkNewline(at)
	}
}

// notUTF8Part returns which part of the last entry's name is not UTF-8.
func (s *Shard) notUTF8Part(name string) string {
	key, _, ok := index.MemberKey(name)
	switch {
	case ok && utf8.ValidString(key):
		return "extension"
	case s.headers.extended:
		return "extended header"
	}
	return ""
}

// checkNewline reports a newline in a name that has a key all the same.
func (s *Shard) checkNewline(at subject) {
	key, ext, ok := index.MemberKey(at.member)
	switch {
	case !ok:
	case strings.Contains(key, "\n"):
		s.reportCase(Control, "newline in the key", at)
	case strings.Contains(ext, "\n"):
		s.reportCase(Control, "newline in the extension", at)
	}
}

// checkOutside reports why a regular member is outside samples.
func (s *Shard) checkOutside(at subject) {
	base := at.member[strings.LastIndexByte(at.member, '/')+1:]
	switch {
	case index.IsMeta(at.member):
		s.wait(Meta, at)
	case strings.HasPrefix(base, "."):
		s.wait(Hidden, at)
	case base == "":
		s.reportCase(NoExtension, "slash", at, ", and a slash at the end")
	case !strings.Contains(base, "."):
		s.wait(NoExtension, at)
	default:
		s.report(Newline, at)
	}
}

// reserved lists the extensions that some reader uses internally.
var reserved = [...]string{
	"__key__", "__url__", "__local_path__", "__bad__", "__source__", "__shard__", "__restore_key__", "__sources__",
	"__index__", "__subflavors__",
}

// checkExtension checks the extension of a sample's member of size bytes.
func (s *Shard) checkExtension(ext string, size int64, at subject) {
	lower := fold(ext)
	switch {
	case ext == "":
		s.report(EmptyExtension, at)
	case slices.Contains(reserved[:], lower):
		s.reportReserved(ext, lower, size, at)
	case ext[0] == '_' && !strings.HasSuffix(at.key, "/"):
		s.report(UnderscoreExtension, at)
	case ext[0] == '.':
		s.report(DoubleDot, at)
	}
	switch {
	case !strings.HasSuffix(at.key, "/"):
		s.visible = true
	case strings.HasPrefix(ext, "_"):
		s.reportCase(HiddenKey, "._", at)
	case strings.Contains(ext, "."):
		s.reportCase(HiddenKey, "with an extension", at)
	default:
		s.report(HiddenKey, at)
	}
	if _, again := s.exts[s.c.hash(lower)]; !again && !slices.Contains(reserved[:], lower) { // told of otherwise
		s.checkCase(ext, lower, at)
	}
	switch lower[strings.LastIndexByte(lower, '.')+1:] {
	case "gz", "bz2", "xz", "zst", "lz4":
		s.report(CompressedMember, at)
	}
	if strings.Contains(ext, ".") {
		s.dotted.add(s.c.hash(lower), at)
	}
	s.checkLast(lower, at)
	s.checkDuplicate(ext, lower, at)
}

// checkCase reports upper case in an extension.
func (s *Shard) checkCase(ext, lower string, at subject) {
	ascii := func(r rune) bool { return r >= 'A' && r <= 'Z' }
	switch {
	case ext == lower:
	case strings.IndexFunc(ext, ascii) < 0:
		s.reportCase(UpperCase, "not ASCII", at)
	default:
		s.report(UpperCase, at)
	}
}

// checkLast checks what comes after the last dot of an extension: some readers take only that for it.
func (s *Shard) checkLast(ext string, at subject) {
	dot := strings.LastIndexByte(ext, '.')
	last := s.c.hash(ext[dot+1:])
	if dot >= 0 && !strings.HasSuffix(at.key, "/") {
		s.subtypes.add(at)
		s.bare = s.bare || dot == len(ext)-1
	}
	s.again = s.again || s.lasts[last]
	s.lasts[last] = true
}

// finishDotted reports extensions with dots.
func (s *Shard) finishDotted() {
	variant := ""
	switch {
	case s.subtypes.n == s.members:
		variant = "all"
	case s.bare:
		variant = "last"
	case s.again:
		variant = "twice"
	}
	if s.subtypes.n > 0 {
		s.reportCase(DottedExtension, variant, s.subtypes.first, s.subtypes.n)
	}
}

// reportReserved reports a reserved extension. For some readers it matters which member of a sample has it, and that it
// has content.
func (s *Shard) reportReserved(ext, lower string, size int64, at subject) {
	variant := lower
	switch {
	case ext != lower:
		variant += " in upper case"
	case ext == "__bad__" && size == 0:
		variant += " empty"
	case len(s.exts) == 0:
		variant += " first"
	}
	s.reportCase(ReservedExtension, variant, at, ext)
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
