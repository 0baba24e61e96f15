package job

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Errors of runs with failed samples.
var (
	ErrSampleFailed = errors.New("a sample failed")
	ErrPartial      = errors.New("published without the failed samples")
)

// errRemoved is the failure of a sample whose directory is gone, although its command had status 0.
var errRemoved = errors.New("the command has removed or renamed the sample's directory")

// failure is an error for which errors.Is(err, ErrSampleFailed): the command failed, or left a sample that cannot be
// packed. The policy for failed samples applies to no other error: a full disk is not the sample's fault.
type failure struct{ error }

func (f failure) Unwrap() error        { return f.error }
func (f failure) Is(target error) bool { return target == ErrSampleFailed }

// Limit is how many samples may fail: a number, or a percentage of all. The zero value is no limit.
type Limit struct {
	text    string
	percent bool
	most    float64
}

// ParseLimit parses a limit, N or P%. The empty text is no limit.
func ParseLimit(text string) (Limit, error) {
	if text == "" {
		return Limit{}, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	most, err := strconv.ParseFloat(number, 64)
	if err != nil || !(most >= 0) || percent && most > 100 || !percent && strings.Trim(number, "0123456789") != "" {
		return Limit{}, errors.New("neither a number nor a percentage from 0% to 100%")
	}
	return Limit{text, percent, most}, nil
}

// String returns the limit as it was given.
func (l Limit) String() string { return l.text }

// exceeded reports whether failed samples of all are more than the limit.
func (l Limit) exceeded(failed, all int) bool {
	most := l.most
	if l.percent {
		most = l.most * float64(all) / 100
	}
	return l.text != "" && float64(failed) > most
}

// sampleError adds the source and the sample to an error.
func sampleError(source, sample string, err error) error {
	return fmt.Errorf("%s: sample %s: %w", source, sample, err)
}
