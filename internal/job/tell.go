package job

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/shardfs/shardfs/internal/runner"
	"github.com/shardfs/shardfs/internal/ui"
)

// A run reports this many samples that failed for the same reason, one by one. It counts the others, and also counts
// the samples with at most mostReasons reasons, so that no memory is needed for each sample.
const (
	mostTold    = 10
	mostReasons = 1000
)

// told is what the user was told about failed samples.
type told struct {
	samples map[string]int // number of samples by the reason of their failure
	hinted  bool           // Options.Hint was said
}

// reportFailure reports the failure of samples to the user or, if the policy is Stop, returns the error that ends the
// run. Err is reason, after the source and the samples.
func (r *run) reportFailure(err, reason error) error {
	var exit *runner.ExitError
	if r.Hint != "" && !r.told.hinted && errors.As(reason, &exit) {
		r.told.hinted = true
		err = ui.WithHint(err, r.Hint)
	}
	if r.OnError == Stop {
		return failure{err}
	}
	if r.told.samples == nil {
		r.told.samples = make(map[string]int)
	}
	text := reason.Error()
	if n, known := r.told.samples[text]; known || len(r.told.samples) < mostReasons {
		if r.told.samples[text] = n + 1; n >= mostTold && !r.UI.Verbose && r.UI.LogFormat != "json" {
			return nil
		}
	}
	r.UI.Fail(err)
	return nil
}

// tellRest reports how many more samples have failed than were reported one by one.
func (r *run) tellRest() {
	if r.UI.Verbose || r.UI.LogFormat == "json" {
		return
	}
	for _, reason := range slices.Sorted(maps.Keys(r.told.samples)) {
		if more := r.told.samples[reason] - mostTold; more > 0 {
			r.UI.Fail(fmt.Errorf("%s: %s: %s", r.name(), ui.Count(more, "more failure"), reason))
		}
	}
}
