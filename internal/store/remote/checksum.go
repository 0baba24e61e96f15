package remote

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"net/http"
	"strings"
)

// wholeSum returns the CRC-32C of the whole object that an answer of a store carries. Other checksums that stores send
// are those of parts, or take longer to compute than a read.
func wholeSum(h http.Header) (sum uint32, ok bool) {
	texts := []string{h.Get("X-Amz-Checksum-Crc32c")}
	for _, line := range h.Values("X-Goog-Hash") {
		for one := range strings.SplitSeq(line, ",") {
			if text, is := strings.CutPrefix(strings.TrimSpace(one), "crc32c="); is {
				texts = append(texts, text)
			}
		}
	}
	for _, text := range texts {
		if b, err := base64.StdEncoding.DecodeString(text); err == nil && len(b) == 4 {
			return binary.BigEndian.Uint32(b), true
		}
	}
	return 0, false
}

// matches reports whether bytes of an object have the checksum that its server has told, if they are the whole object.
func (v *version) matches(b []byte) bool {
	return v.sum == nil || int64(len(b)) != v.size || crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) == *v.sum
}
