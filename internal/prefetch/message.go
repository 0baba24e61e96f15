package prefetch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
)

// File is a file that is to be used ahead.
type File struct {
	Path string // below the root of the mount
	Read bool   // read it too, and not only look it up
}

// A message is a list of texts: their number, and each with its length before it, all as uvarints. The first message of
// the server has the mountpoint and the number of its device; each further one has the paths of files, after a + if they
// are to be read and a - if not. The reply to each is a message without texts; the first one has the number of the thread
// that uses the mount.

// maxText is more than the longest path.
const maxText = 1 << 20

var errMessage = errors.New("no message of this program")

func appendMessage(b []byte, texts ...string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, text := range texts {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}

func readMessage(r *bufio.Reader) ([]string, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > math.MaxUint16 {
		return nil, errMessage
	}
	texts := make([]string, n)
	for i := range texts {
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return nil, err
		}
		if size > maxText {
			return nil, errMessage
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		texts[i] = string(text)
	}
	return texts, nil
}

func encode(files []File) []string {
	texts := make([]string, len(files))
	for i, f := range files {
		texts[i] = "-" + f.Path
		if f.Read {
			texts[i] = "+" + f.Path
		}
	}
	return texts
}

func decode(text string) File {
	if path, read := strings.CutPrefix(text, "+"); read {
		return File{path, true}
	}
	return File{strings.TrimPrefix(text, "-"), false}
}
