package codec

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
)

// Header flags, RFC 1952 section 2.3.1. FTEXT (1) changes nothing.
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagsReserved = 7 << 5
)

// gzipMagic begins every member.
const gzipMagic = "\x1f\x8b"

var (
	errNoMember      = errors.New("no gzip header")
	errReservedFlags = errors.New("reserved header flags")
)

// skipHeader reads the header of a member and ignores its contents; the data has its own checksum. If no member
// follows, it reads nothing and returns errNoMember.
func (in *input) skipHeader() error {
	head, err := in.br.Peek(10)
	if n := min(len(head), len(gzipMagic)); string(head[:n]) != gzipMagic[:n] {
		return errNoMember
	}
	if err != nil {
		return err
	}
	method, flags := head[2], head[3]
	if method != 8 {
		return fmt.Errorf("%w: compression method %d", ErrDamaged, method)
	}
	if flags&flagsReserved != 0 {
		return fmt.Errorf("%w: %w", ErrDamaged, errReservedFlags)
	}
	if _, err := in.br.Discard(10); err != nil {
		return err
	}
	if flags&flagExtra != 0 {
		size, err := in.br.Peek(2)
		if err != nil {
			return err
		}
		if _, err := in.br.Discard(2 + int(binary.LittleEndian.Uint16(size))); err != nil {
			return err
		}
	}
	for _, text := range []byte{flagName, flagComment} {
		if flags&text == 0 {
			continue
		}
		if _, err := in.br.ReadSlice(0); err == bufio.ErrBufferFull {
			return fmt.Errorf("%w: name or comment longer than %d bytes", ErrDamaged, inputBuffer)
		} else if err != nil {
			return err
		}
	}
	if flags&flagHeaderCRC != 0 {
		if _, err := in.br.Discard(2); err != nil {
			return err
		}
	}
	return nil
}

// skipZeros skips the zeros that may pad a member. At the end of the input it returns io.EOF.
func (in *input) skipZeros() error {
	for {
		c, err := in.br.ReadByte()
		if err != nil {
			return err
		}
		if c != 0 {
			return in.br.UnreadByte()
		}
	}
}

// HasExtra reports whether a shard is gzip and its first header has an extra field, by the first bytes of the shard, at
// most 10.
func HasExtra(head []byte) bool {
	return len(head) >= 4 && Detect(head) == Gzip && head[3]&flagExtra != 0
}
