package gallery

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of cells: short texts in a listing.
const (
	mostCells    = 8         // of a sample
	mostCellRead = 2 << 10   // bytes that are read of a member
	mostCell     = 200       // characters
	mostPretty   = 256 << 10 // bytes of a member that is looked into
)

// cell returns a short text that shows a member of a readable kind.
func cell(ctx context.Context, s samples, m *member, kind string) (string, bool) {
	switch kind {
	case "class", "text", "json", "array":
	default:
		return "", false
	}
	c, err := s.open(ctx, m, m.change == deleted)
	if err != nil {
		return "", false
	}
	defer c.Close()
	head := make([]byte, min(c.size, mostCellRead))
	if n, err := c.ReadAt(head, 0); n < len(head) && err != nil {
		return "", false
	}
	if kind == "array" {
		a, err := arrayHeader(c.reader())
		return a.String(), err == nil
	}
	if kind == "json" && c.size <= mostCellRead {
		var b bytes.Buffer
		if json.Compact(&b, head) == nil {
			head = b.Bytes()
		}
	}
	return shorten(head, mostCell, c.size > mostCellRead), true
}

// shorten returns at most so many characters of a text, in one line. More tells that the text goes on.
func shorten(text []byte, most int, more bool) string {
	var b strings.Builder
	blank, count := false, 0
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if unicode.IsSpace(r) || r == 0 {
			blank = b.Len() > 0
			continue
		}
		if count == most {
			more = true
			break
		}
		if blank {
			b.WriteByte(' ')
			count, blank = count+1, false
		}
		if unicode.IsControl(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
		count++
	}
	if more {
		b.WriteString("…")
	}
	return b.String()
}

// head reads at most so many bytes of a member's beginning.
func head(ctx context.Context, s samples, m *member, most int64) ([]byte, error) {
	c, err := s.open(ctx, m, m.change == deleted)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	b := make([]byte, min(c.size, most))
	n, err := c.ReadAt(b, 0)
	if n == len(b) || err == io.EOF {
		err = nil
	}
	return b[:n], err
}
