package source

import (
	"bufio"
	"os"

	"github.com/shardfs/shardfs/internal/ui"
)

// ReadKeys reads a file of keys, one per line. For the empty name it returns nil, which stands for all keys.
func ReadKeys(name string) (map[string]bool, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, &ui.UsageError{Err: err}
	}
	defer f.Close()
	keys := make(map[string]bool)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		keys[lines.Text()] = true
	}
	return keys, lines.Err()
}
