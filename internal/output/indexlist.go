package output

import (
	"fmt"
	"strings"
)

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
