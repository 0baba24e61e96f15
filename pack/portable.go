package pack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

// portableKey returns a key that every reader takes for the same: without components that are empty or a dot, with bytes
// other than printable ASCII as %HH, and not beginning with two underscores. Other keys stay different. It returns "" for
// the key of hidden files.
func portableKey(key string) string {
	if strings.HasSuffix(key, "/") {
		return ""
	}
	var kept []string
	for component := range strings.SplitSeq(key, "/") {
		switch component {
		case "", ".":
		case "..":
			kept = append(kept, "%2E%2E")
		default:
			kept = append(kept, portable(component))
		}
	}
	if last := len(kept) - 1; last >= 0 && strings.HasPrefix(kept[last], "__") {
		kept[last] = "%5F" + kept[last][1:]
	}
	return strings.Join(kept, "/")
}

// portableExt returns an extension that every reader takes for the same: in lower case, and beginning with neither a dot
// nor an underscore.
func portableExt(ext string) string {
	ext = portable(strings.ToLower(strings.TrimLeft(ext, "._")))
	if ext == "" {
		return "bin"
	}
	return ext
}

// portable returns text with every byte as %HH that is a blank, a backslash or no printable ASCII, or that would be
// taken for the beginning of such a code.
func portable(text string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		code := c == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2])
		if c <= ' ' || c >= utf8.RuneSelf-1 || c == '\\' || code {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' || 'a' <= c && c <= 'f' }

// shortened returns a key of at most that many bytes. A longer one gets a digest in place of its end, so that other keys
// stay different.
func shortened(key string, most int) string {
	const digest = 12
	if len(key) <= most || most <= digest {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return strings.TrimRight(key[:most-digest-1], "/") + "-" + hex.EncodeToString(sum[:])[:digest]
}
