package job

import (
	"fmt"
	"time"

	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// Summary is the result of a run. Programs print its JSON.
type Summary struct {
	Output    string  `json:"-"` // "" if nothing is packed
	OutputAs  *string `json:"output,omitempty"`
	OutputHex *string `json:"output_hex,omitempty"` // instead of output if that is not UTF-8
	pack.Summary
	Done      int     `json:"done"`
	Failed    int     `json:"failed"`
	Skipped   int     `json:"skipped"`  // samples that were not chosen
	BytesIn   int64   `json:"bytes_in"` // of plain tar
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"samples_per_second"`

	Lost    int   `json:"-"` // samples with changes that are not kept, as there is no output
	Printed int64 `json:"-"` // bytes of the commands' standard output

	Completed bool  `json:"-"` // the run came to its end, and its outputs are published
	Cut       error `json:"-"` // wraps source.ErrCut if a source lacks samples; else nil

	name   string // name of the source, or how many there are
	packed string // description of the output's contents
}

// summary returns the summary of a completed run.
func (r *run) summary(took time.Duration) Summary {
	failed := len(r.now.Failed)
	s := Summary{
		Done: r.now.Samples - failed, Failed: failed, Skipped: r.chooser.Seen - r.chooser.Taken, BytesIn: r.now.BytesIn,
		Seconds: took.Seconds(), PerSecond: float64(r.now.Samples-r.from.Samples) / max(took.Seconds(), 1e-9),
		Lost: r.lost, Printed: r.printed, Completed: true, Cut: r.cut, name: r.name(),
	}
	if r.out != nil {
		s.Output, s.Summary, s.packed = r.out.Name, r.out.Summary(), r.out.String()
		name := ui.NewJSONText(s.Output)
		s.OutputAs, s.OutputHex = name.Text, name.Hex
	}
	return s
}

// String returns the summary as one line.
func (s Summary) String() string {
	text := fmt.Sprintf("%s done", ui.Count(s.Done, "sample"))
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d failed", s.Failed)
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", s.Skipped)
	}
	text += fmt.Sprintf(", %.1f a second", s.PerSecond)
	if s.Output == "" {
		return fmt.Sprintf("%s: %s", s.name, text)
	}
	return fmt.Sprintf("%s; %s; %s in", s.packed, text, ui.Size(s.BytesIn))
}

// Err returns the error of a run that came to its end but did not process everything: ErrSampleFailed or ErrPartial,
// which were reported, or Cut.
func (s Summary) Err() error {
	switch {
	case s.Failed > 0 && s.Output == "":
		return ui.Reported(ErrSampleFailed)
	case s.Failed > 0:
		return ui.Reported(ErrPartial)
	case s.Output != "":
		return s.Cut
	}
	return nil
}
