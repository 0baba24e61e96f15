package ui

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
)

// LastError returns the last error in a log of messages of a UI, and how many there are.
func LastError(log io.Reader) (last string, n int) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		text, found := strings.CutPrefix(lines.Text(), "shardfs: error: ")
		var said struct{ Level, Message string }
		if !found && json.Unmarshal(lines.Bytes(), &said) == nil && said.Level == "error" {
			text, found = said.Message, true
		}
		if found {
			last, n = text, n+1
		}
	}
	return last, n
}
