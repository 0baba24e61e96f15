package store

import (
	"fmt"
	"strconv"
	"strings"
)

// Switch reads a variable of the environment that turns something on, in the words that the tools of any store take. It
// is off if value is empty.
func Switch(name, value string) (bool, error) {
	switch strings.ToLower(value) {
	case "", "no", "off":
		return false, nil
	case "yes", "on":
		return true, nil
	}
	b, err := strconv.ParseBool(strings.ToLower(value))
	if err != nil {
		return false, fmt.Errorf("%s is %w: want yes or no", name, ErrName)
	}
	return b, nil
}
