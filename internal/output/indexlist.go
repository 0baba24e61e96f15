package output

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxIndexes is how many numbers the list of indexes of an array has at most.
const maxIndexes = 1 << 18

// ParseIndexList returns the numbers in a list of indexes, as IndexList writes it: 3,17,40-44. They may be in any order, but
// none twice.
func ParseIndexList(text string) (numbers []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 31)
		last, err2 := strconv.ParseUint(to, 10, 31)
		switch {
		case err1 != nil || err2 != nil:
			return nil, errors.New("neither a number nor a list of numbers from 0 on, such as 3,17,40-44")
		case last < first:
			return nil, fmt.Errorf("%s: the range is empty", part)
		case uint64(len(numbers))+last-first >= maxIndexes:
			return nil, fmt.Errorf("more than %d numbers", maxIndexes)
		}
		for n := first; n <= last; n++ {
			numbers = append(numbers, int(n))
		}
	}
	sorted := slices.Sorted(slices.Values(numbers))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return nil, fmt.Errorf("%d is in it twice", sorted[i])
		}
	}
	return numbers, nil
}

// IndexList returns numbers, which are sorted, as the list of indexes that array engines take: 3,17,40-44.
func IndexList(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		end := i + 1
		for end < len(numbers) && numbers[end] == numbers[end-1]+1 {
			end++
		}
		switch first, last := numbers[i], numbers[end-1]; last - first {
		case 0:
			parts = append(parts, fmt.Sprint(first))
		case 1:
			parts = append(parts, fmt.Sprint(first), fmt.Sprint(last))
		default:
			parts = append(parts, fmt.Sprintf("%d-%d", first, last))
		}
		i = end
	}
	return strings.Join(parts, ",")
}
