package lint

import (
	"archive/tar"
	"bytes"

	"github.com/shardfs/shardfs/index"
)

// goView is how Go's archive/tar reads the headers of an entry. It is what readers written in Go use.
type goView struct {
	err     error
	name    string
	regular bool
	size    int64
}

// readGo reads headers that are not simple.
func readGo(headers []byte) goView {
	h, err := tar.NewReader(bytes.NewReader(headers)).Next()
	if err != nil {
		return goView{err: err}
	}
	regular := h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeCont || h.Typeflag == tar.TypeGNUSparse
	return goView{name: h.Name, regular: regular, size: h.Size}
}

// simple reports whether headers are a single block in which every reader sees the same.
func simple(headers []byte) bool {
	if len(headers) != index.BlockSize || headers[345] != 0 || headers[156] == 'X' {
		return false
	}
	for _, field := range pyNumbers {
		if !octal(headers[field.from:field.to]) {
			return false
		}
	}
	return true
}

// octal reports whether a field is an octal number between blanks and zeros, or empty.
func octal(field []byte) bool {
	from, to := 0, len(field) // by hand, because every header has eight of them
	for from < to && (field[from] == ' ' || field[from] == 0) {
		from++
	}
	for from < to && (field[to-1] == ' ' || field[to-1] == 0) {
		to--
	}
	for _, c := range field[from:to] {
		if c < '0' || c > '7' {
			return false
		}
	}
	return true
}
