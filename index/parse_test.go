package index

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Fields of any bytes are read as the plainest program reads them.
func TestParseLikePlainly(t *testing.T) {
	plainly := func(field []byte) (n int64, ok bool) {
		text, _, _ := strings.Cut(string(field), "\x00")
		text = strings.Trim(text, " ")
		for _, c := range []byte(text) {
			if c < '0' || c > '7' || n > math.MaxInt64>>3 {
				return 0, false
			}
			n = n<<3 | int64(c-'0')
		}
		return n, true
	}
	seconds := func(field []byte) int64 {
		text, _, _ := strings.Cut(string(field), "\x00")
		if zeros, digits, ok := strings.Cut(text, "-"); ok && strings.Trim(zeros, " 0") == "" {
			n, _ := plainly([]byte(digits))
			return -n
		}
		n, _ := parseNumber(field)
		return n
	}
	r := rand.New(rand.NewPCG(5, 6))
	numbers, before := 0, 0
	for range 200_000 {
		field := make([]byte, 1+r.IntN(24))
		alphabet := []string{"01234567", " 07", " 017\x00", "0 -7", " 089/:\x00\xb0\xff-"}[r.IntN(5)]
		for i := range field {
			field[i] = alphabet[r.IntN(len(alphabet))]
		}
		want, ok := plainly(field)
		if got, err := parseOctal(field); got != want || (err == nil) != ok {
			t.Fatalf("parseOctal(%q) = %d, %v, want %d, %t", field, got, err, want, ok)
		}
		at := seconds(field)
		if got := parseTimeField(field); !got.Equal(time.Unix(at, 0)) {
			t.Fatalf("parseTimeField(%q) = %v, want %d", field, got, at)
		}
		if ok {
			numbers++
		}
		if at < 0 {
			before++
		}
	}
	if numbers < 10_000 || before < 1000 {
		t.Errorf("%d numbers, %d times before 1970: the test proves nothing", numbers, before)
	}
}

// A checksum is that of unsigned or of signed bytes, and its own field counts as spaces.
func TestChecksum(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 4_000 {
		b, unsigned, signed := make(block, BlockSize), int64(0), int64(0)
		most := []int{1, 2, 128, 256}[i%4]
		for at := range b {
			if b[at] = byte(256 - 1 - r.IntN(most)); at >= 148 && at < 156 {
				b[at] = ' '
			}
			unsigned += int64(b[at])
			signed += int64(int8(b[at]))
		}
		for _, sum := range []int64{unsigned, signed, unsigned + 1, unsigned - 256} {
			want := sum >= 0 && (sum == unsigned || sum == signed) // there is no field for a negative number
			copy(b.checksum(), fmt.Sprintf("%06o\x00 ", max(sum, 0)))
			if err := b.verify(); (err == nil) != want {
				t.Fatalf("checksum %d of bytes with the sums %d and %d: %v", sum, unsigned, signed, err)
			}
		}
	}
}
