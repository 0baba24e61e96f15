package main

import (
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/ui"
)

// failureLimit is how many samples may fail: a number, or a part of all.
type failureLimit struct {
	set     bool
	percent bool
	most    float64
}

// parseLimit reads N or P%.
func parseLimit(text string) (failureLimit, error) {
	if text == "" {
		return failureLimit{}, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	most, err := strconv.ParseFloat(number, 64)
	if err != nil || !(most >= 0) || percent && most > 100 || !percent && strings.Trim(number, "0123456789") != "" {
		return failureLimit{}, ui.Usagef("--max-failed %s: a number, or a percentage from 0%% to 100%%", text)
	}
	return failureLimit{true, percent, most}, nil
}

// exceeded reports whether so many failed of all samples are too many.
func (l failureLimit) exceeded(failed, all int) bool {
	most := l.most
	if l.percent {
		most = l.most * float64(all) / 100
	}
	return l.set && float64(failed) > most
}
