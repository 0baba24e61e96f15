package ui

// Closest returns the word that is most similar to a mistyped one, or "" if none is: one for which at most a third of
// the letters, but two of short words, have to be changed, added or left out, or two neighbours exchanged.
func Closest(typed string, words []string) string {
	best, least := "", max(len(typed)/3, 2)+1
	for _, word := range words {
		if d := distance(typed, word); d < least && d < len(typed) {
			best, least = word, d
		}
	}
	return best
}

// distance returns how many steps lead from one word to another.
func distance(a, b string) int {
	var older, old []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		older, old, row = old, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(old[j+1]+1, row[j]+1, old[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
