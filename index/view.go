package index

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// The names in a sample's directory that no member has.
const (
	KeyFile    = "__key__"    // holds the key's bytes
	SourceFile = "__source__" // holds the shard's name
)

// memberPrefix is the base name under which a sample's members are shown.
const memberPrefix = "sample"

// maxName is the longest name in bytes that a directory entry can have on Linux.
const maxName = 255

// Escaped names. A component of a key is shown as it is wherever a directory entry can carry it. The others are written
// with an escape that starts with a percent sign:
//
//	%HH          the byte HH in upper-case hexadecimal
//	%            (alone) the empty component
//	PREFIX%~HASH a component over 255 bytes: its beginning and the start of its SHA-256
//
// A percent sign that would read as one of these is itself written %25, so that two components never get one name.

// escape returns the directory name for one component of a key. Nested says that the component has a parent, which may
// be a sample: the names of a sample's own files are then escaped, so that a nested sample cannot hide one of them.
func escape(component string, nested bool) string {
	switch component {
	case "":
		return "%"
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	if nested && isSampleFile(component) {
		return fit("%" + hexByte(component[0]) + escapePercent(component[1:]))
	}
	return fit(escapePercent(component))
}

// isSampleFile reports whether a file of a sample's directory may have this name.
func isSampleFile(name string) bool {
	return name == KeyFile || name == SourceFile ||
		strings.HasPrefix(name, memberPrefix+".") || strings.HasPrefix(name, memberPrefix+"~")
}

// escapePercent escapes NUL bytes and the percent signs that would otherwise be read as an escape.
func escapePercent(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, 0) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == 0, s[i] == '%' && (s == "%" || isEscape(s[i:]) || strings.HasPrefix(s[i:], "%~")):
			b.WriteString("%" + hexByte(s[i]))
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// fit shortens a name that is too long for a directory entry.
func fit(name string) string {
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return name[:maxName-2-2*16] + "%~" + hex.EncodeToString(sum[:16])
}

// unescape returns the component of a key that a directory name was made from. A name that was shortened is returned as
// it is.
func unescape(name string) string {
	if strings.IndexByte(name, '%') < 0 {
		return name
	}
	if name == "%" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if isEscape(name[i:]) {
			c, _ := strconv.ParseUint(name[i+1:i+3], 16, 8)
			b.WriteByte(byte(c))
			i += 2
			continue
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// unescapePath returns the key that a path of directory names was made from.
func unescapePath(path string) string {
	if strings.IndexByte(path, '%') < 0 {
		return path
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		names[i] = unescape(name)
	}
	return strings.Join(names, "/")
}

// escapeKey returns the path under which a key is shown when no earlier sample has taken it.
func escapeKey(key string) string {
	components := strings.Split(key, "/")
	for i, c := range components {
		components[i] = escape(c, i > 0)
	}
	return strings.Join(components, "/")
}

// KeyOfPath returns the key that is shown under a path of the view. For a path that no key is shown under, such as that
// of a new directory with a percent sign in its name, the key is the path.
func KeyOfPath(path string) string {
	if key := unescapePath(path); escapeKey(key) == path {
		return key
	}
	return path
}

// numbered returns the name of the n-th directory or file that would have the same name, n counting from 1.
func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	return fit(name + "~" + strconv.Itoa(n))
}

// memberFile returns the file name of the n-th member with this extension in its sample, n counting from 1.
func memberFile(ext string, n int) string {
	return fit(escapePercent(numbered(memberPrefix, n) + "." + ext))
}

// SampleFile returns the name of the file that shows the member with an extension.
func SampleFile(ext string) string { return memberFile(ext, 1) }

// SplitFile splits the name of a file in a sample's directory into the member's extension and its number among the
// members with that extension. It reports false for a name that no member has.
func SplitFile(name string) (ext string, n int, ok bool) {
	rest, ok := strings.CutPrefix(name, memberPrefix)
	if !ok || rest == "" {
		return "", 0, false
	}
	n = 1
	if rest[0] == '~' {
		number, _, _ := strings.Cut(rest[1:], ".")
		var err error
		if n, err = strconv.Atoi(number); err != nil || n < 2 || number != strconv.Itoa(n) {
			return "", 0, false
		}
		rest = rest[1+len(number):]
	}
	if rest == "" || rest[0] != '.' {
		return "", 0, false
	}
	if ext = unescape(rest)[1:]; memberFile(ext, n) != name {
		ext = rest[1:] // the name of a new file, with a percent sign in it
	}
	return ext, n, true
}

// isEscape reports whether s starts with %HH.
func isEscape(s string) bool {
	return len(s) >= 3 && s[0] == '%' && isUpperHex(s[1]) && isUpperHex(s[2])
}

func isUpperHex(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'F'
}

func hexByte(c byte) string {
	return strings.ToUpper(hex.EncodeToString([]byte{c}))
}
