package index

import (
	"bufio"
	"errors"
	"io"
)

// Tail is what is after the end marker of a tar, where most readers stop.
type Tail struct {
	Offset int64 // plain offset of the first block that is not zeros; 0 if there is none
	Tar    bool  // another tar begins there, as in shards that were concatenated
}

// ReadTail reads the bytes after an end marker, which begin at plain offset at, until it knows what they are.
func ReadTail(rest io.Reader, at int64) (Tail, error) {
	in := bufio.NewReaderSize(rest, 64<<10)
	for {
		b, err := in.Peek(BlockSize)
		if len(b) == 0 && err == io.EOF {
			return Tail{}, nil
		}
		if err != nil && err != io.EOF {
			return Tail{}, err
		}
		if !isZeros(b) {
			break
		}
		n, _ := in.Discard(len(b))
		at += int64(n)
	}
	_, err := NewScanner(struct{ io.Reader }{in}).Next()
	return Tail{at, !errors.Is(err, ErrNotTar)}, nil
}

func isZeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
