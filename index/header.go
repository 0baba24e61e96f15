package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// BlockSize is the size of the blocks of a tar in bytes.
const BlockSize = 512

// maxSpecial is the size of the largest extended header that is read, in bytes; archive/tar and libarchive have the
// same limit.
const maxSpecial = 1 << 20

// The types of tar entries that matter here.
const (
	typeRegular       = '0'
	typeRegularOld    = '\x00'
	typeHardLink      = '1'
	typeFIFO          = '6'
	typeDirectory     = '5'
	typeContiguous    = '7'
	typeExtended      = 'x'
	typeExtendedSun   = 'X' // Sun's name for the same
	typeGlobal        = 'g'
	typeGNULongName   = 'L'
	typeGNULongTarget = 'K'
	typeGNUSparse     = 'S'
)

// errHeader means that a block is not a tar header.
var errHeader = errors.New("not a tar header")

// block is one 512-byte header.
type block []byte

func (b block) name() []byte     { return b[0:100] }
func (b block) mode() []byte     { return b[100:108] }
func (b block) size() []byte     { return b[124:136] }
func (b block) mtime() []byte    { return b[136:148] }
func (b block) checksum() []byte { return b[148:156] }
func (b block) typeflag() byte   { return b[156] }
func (b block) magic() []byte    { return b[257:263] }
func (b block) prefix() []byte   { return b[345:500] }

// isZero reports whether the block has only zeros, as those of the end marker.
func (b block) isZero() bool {
	return bytes.Equal(b, zeroBlock[:])
}

var zeroBlock [BlockSize]byte

// verify checks the checksum. Most writers compute it over unsigned bytes, some over signed ones.
func (b block) verify() error {
	want, err := parseOctal(b.checksum())
	if err != nil {
		return errHeader
	}
	sum := b.sum()
	for _, c := range b.checksum() {
		sum += ' ' - int64(c) // the field itself counts as eight spaces
	}
	if want == sum {
		return nil
	}
	for i, c := range b {
		if c >= 0x80 && (i < 148 || i >= 156) {
			sum -= 256
		}
	}
	if want != sum {
		return errHeader
	}
	return nil
}

// sum adds up the bytes of the block, 32 at a time: one by one, this would take a quarter of the time to index small
// members.
func (b block) sum() int64 {
	const lanes = 0x00ff00ff00ff00ff
	var sums [4]uint64 // each four sums of 16 bits, of 32 bytes: 8 160 at most
	for rest := b[:BlockSize]; len(rest) >= 32; rest = rest[32:] {
		w, x := binary.LittleEndian.Uint64(rest), binary.LittleEndian.Uint64(rest[8:])
		y, z := binary.LittleEndian.Uint64(rest[16:]), binary.LittleEndian.Uint64(rest[24:])
		sums[0] += w&lanes + w>>8&lanes
		sums[1] += x&lanes + x>>8&lanes
		sums[2] += y&lanes + y>>8&lanes
		sums[3] += z&lanes + z>>8&lanes
	}
	all := sums[0] + sums[1] + sums[2] + sums[3]
	return int64(all&0xffff + all>>16&0xffff + all>>32&0xffff + all>>48)
}

// fullName returns the member's name, including the prefix field if the header's format has one.
func (b block) fullName(buf []byte) []byte {
	name := cString(b.name())
	if string(b.magic()) != "ustar\x00" {
		return append(buf, name...) // a header without the field, or a GNU header, which has times there
	}
	prefix := cString(b.prefix())
	if string(b[508:512]) == "tar\x00" {
		prefix = cString(b[345:476]) // star has times after a shorter prefix
	}
	if len(prefix) > 0 {
		buf = append(buf, prefix...)
		buf = append(buf, '/')
	}
	return append(buf, name...)
}

// cString returns the bytes before the first NUL.
func cString(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// parseNumber parses a number in octal or, if the first bit is set, in big-endian two's complement.
func parseNumber(b []byte) (int64, error) {
	if b[0]&0x80 == 0 {
		return parseOctal(b)
	}
	var invert byte
	if b[0]&0x40 != 0 {
		invert = 0xff
	}
	var x uint64
	for i, c := range b {
		c ^= invert
		if i == 0 {
			c &= 0x7f
		}
		if x>>56 != 0 {
			return 0, errHeader
		}
		x = x<<8 | uint64(c)
	}
	if x>>63 != 0 {
		return 0, errHeader
	}
	if invert != 0 {
		return ^int64(x), nil
	}
	return int64(x), nil
}

// parseOctal parses an octal number between spaces, up to the first NUL; an empty field is 0.
func parseOctal(b []byte) (int64, error) {
	i := 0
	for i < len(b) && b[i] == ' ' {
		i++
	}
	var x int64
	for ; i < len(b) && b[i]-'0' <= 7; i++ {
		if x > math.MaxInt64>>3 {
			return 0, errHeader
		}
		x = x<<3 | int64(b[i]-'0')
	}
	for i < len(b) && b[i] == ' ' {
		i++
	}
	if i < len(b) && b[i] != 0 {
		return 0, errHeader
	}
	return x, nil
}

// parseTimeField parses the seconds of a plain header. Some writers put a minus, and zeros before it, before the octal
// digits of a time before 1970. A field that is no number counts as 0, as an empty one does: that is no reason to refuse
// a shard.
func parseTimeField(b []byte) time.Time {
	seconds, err := parseNumber(b)
	if err != nil {
		seconds = 0
		if zeros, digits, ok := bytes.Cut(cString(b), []byte("-")); ok && len(bytes.Trim(zeros, " 0")) == 0 {
			if before, err := parseOctal(digits); err == nil {
				seconds = -before
			}
		}
	}
	return time.Unix(seconds, 0)
}

// extended has the values that extended headers set for the next member.
type extended struct {
	longName []byte // from a GNU header, overrides name; empty: not set
	name     []byte // empty: not set
	size     int64  // -1: not set
	mtime    time.Time
	hasTime  bool
	sparse   *paxSparse // nil: not set
}

// parsePAX parses the records of a PAX header into e. They end at a zero: some writers count the padding.
func (e *extended) parsePAX(b []byte) error {
	*e = extended{longName: e.longName, size: -1}
	for len(b) > 0 && b[0] != 0 {
		space := bytes.IndexByte(b, ' ')
		if space < 0 {
			return errHeader
		}
		n, err := strconv.Atoi(string(b[:space]))
		if err != nil || n <= space+1 || n > len(b) || b[n-1] != '\n' {
			return errHeader
		}
		key, value, ok := strings.Cut(string(b[space+1:n-1]), "=")
		if !ok || key == "" {
			return errHeader
		}
		b = b[n:]
		if err := e.set(key, value); err != nil {
			return fmt.Errorf("extended header %s: %w", key, err)
		}
	}
	return nil
}

// sparsePrefix begins the keys of records about sparse members.
const sparsePrefix = "GNU.sparse."

// set applies one PAX record. An empty value cancels an earlier one, so that the plain header counts.
func (e *extended) set(key, value string) error {
	var err error
	switch {
	case strings.HasPrefix(key, sparsePrefix):
		if e.sparse == nil {
			e.sparse = &paxSparse{}
		}
		return e.sparse.set(key[len(sparsePrefix):], value)
	case key == "path":
		if strings.IndexByte(value, 0) >= 0 {
			return errHeader
		}
		e.name = []byte(value)
	case key == "size" && value == "":
		e.size = -1
	case key == "size":
		if e.size, err = strconv.ParseInt(value, 10, 64); err != nil || e.size < 0 {
			return errHeader
		}
	case key == "mtime":
		// Some writers write invalid times. That is no reason to refuse a shard, because the plain header has a time
		// too.
		e.mtime, e.hasTime = parseTime(value)
	}
	return err
}

// parseTime parses decimal seconds with an optional fraction.
func parseTime(s string) (t time.Time, ok bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.Trim(fraction, "0123456789") != "" {
		return t, false
	}
	var nanos int64
	for i := range 9 {
		nanos *= 10
		if i < len(fraction) {
			nanos += int64(fraction[i] - '0')
		}
	}
	if strings.HasPrefix(whole, "-") {
		nanos = -nanos
	}
	return time.Unix(seconds, nanos), true
}
