package output

import (
	"fmt"
	"slices"
	"strings"

	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// refuseEmpty returns an error that wraps pack.ErrEmpty for an output without samples that need not be published.
func (out *Output) refuseEmpty() error {
	s := out.Summary()
	if s.Samples > 0 || out.o.AllowEmpty {
		return nil
	}
	err := fmt.Errorf("%s: %w, so nothing is written", out.Name, pack.ErrEmpty)
	unmatched, met := out.Unmatched()
	switch {
	case len(unmatched) > 0:
		err = fmt.Errorf("%w: none has a member %s", err, strings.Join(unmatched, ", "))
		return ui.WithHint(err, fieldsHint(unmatched, met))
	case s.Emptied > 0:
		err = fmt.Errorf("%w: %s had no members any more", err, ui.Count(s.Emptied, "sample"))
	}
	return err
}

// WarnUnmatched warns of extensions in Options.Pack.Selection that no sample has.
func (out *Output) WarnUnmatched() {
	if unmatched, met := out.Unmatched(); len(unmatched) > 0 {
		out.o.UI.Warn("%s: no sample has a member %s", out.Name, strings.Join(unmatched, ", "))
		out.o.UI.Say("hint", fieldsHint(unmatched, met))
	}
}

// fieldsHint says what the extensions that no sample has should have been.
func fieldsHint(unmatched, met []string) string {
	for _, ext := range unmatched {
		if bare := strings.TrimLeft(ext, "."); bare != ext && slices.Contains(met, bare) {
			return fmt.Sprintf("extensions have no leading dot: %s", bare)
		}
	}
	const most = 12
	if len(met) > most {
		met = append(slices.Clone(met[:most]), "...")
	}
	return "the samples have " + strings.Join(met, ", ")
}
