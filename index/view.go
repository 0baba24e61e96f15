package index

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// The files in a sample's directory that are not members.
const (
	KeyFile    = "__key__"    // contains the key
	SourceFile = "__source__" // contains the shard's name
)

// memberPrefix is the base name under which a sample's members are shown.
const memberPrefix = "sample"

// maxName is the longest name in bytes that a directory entry can have on Linux.
const maxName = 255

// Escaped names. A component of a key is shown unchanged if it can be the name of a directory entry. Otherwise it is
// escaped with a percent sign:
//
//	%HH          the byte HH in upper-case hexadecimal
//	%            (alone) the empty component
//	PREFIX%~HASH a component over 255 bytes: its beginning and the start of its SHA-256
//
// A percent sign that could be read as one of these is itself written as %25, so that two components never get the same
// name.

// escape returns the directory name for one component of a key. If nested is set, the component has a parent, which may
// be a sample: names of a sample's own files are then escaped, so that a nested sample cannot hide one of them.
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

// unescape is the inverse of escape: it returns the component of a key for a directory name. A shortened name is
// returned unchanged.
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

// unescapePath returns the key for a path of directory names.
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

// escapeKey returns the path under which a key is shown if no earlier sample has that path.
func escapeKey(key string) string {
	components := strings.Split(key, "/")
	for i, c := range components {
		components[i] = escape(c, i > 0)
	}
	return strings.Join(components, "/")
}

// KeyOfPath returns the key that is shown under a path of the view. If no key is shown under a path, as for a new
// directory with a percent sign in its name, KeyOfPath returns the path.
func KeyOfPath(path string) string {
	if key := unescapePath(path); escapeKey(key) == path {
		return key
	}
	return path
}

// numbered returns the name of the n-th (from 1) directory or file that would have the same name.
func numbered(name string, n int) string {
	if n == 1 {
		return name
	}
	return fit(name + "~" + strconv.Itoa(n))
}

// memberFile returns the file name of the n-th (from 1) member with this extension in its sample.
func memberFile(ext string, n int) string {
	return fit(escapePercent(numbered(memberPrefix, n) + "." + ext))
}

// SampleFile returns the file name of the member with an extension.
func SampleFile(ext string) string { return memberFile(ext, 1) }

// SplitFile splits the name of a file in a sample's directory into the member's extension and its number among the
// members with that extension. It returns false if the name is not that of a member.
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
		ext = rest[1:] // a new file whose name has a percent sign
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
