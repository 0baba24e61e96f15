package pack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// plainKey returns a key without components that are empty or a dot. It returns "" for the key of hidden files.
func plainKey(key string) string {
	if strings.HasSuffix(key, "/") {
		return ""
	}
	var kept []string
	for component := range strings.SplitSeq(key, "/") {
		if component != "" && component != "." {
			kept = append(kept, component)
		}
	}
	return strings.Join(kept, "/")
}

// portableKey returns a plain key that every reader takes for the same: with bytes other than printable ASCII as %HH, and
// not beginning with two underscores. The keys of two samples can become equal.
func portableKey(key string) string {
	components := strings.Split(portable(key), "/")
	for i, component := range components {
		if component == ".." {
			components[i] = "%2E%2E"
		}
	}
	if last := len(components) - 1; strings.HasPrefix(components[last], "__") {
		components[last] = "%5F" + components[last][1:]
	}
	return strings.Join(components, "/")
}

// portableExt returns an extension that every reader takes for the same: in lower case, and beginning with neither a dot
// nor an underscore.
func portableExt(ext string) string {
	ext = strings.ToLower(portable(strings.TrimLeft(ext, "._")))
	if ext == "" {
		return "bin"
	}
	return ext
}

// portable returns text with every byte as %HH that is a blank, a backslash or no printable ASCII.
func portable(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == '\\' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

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
