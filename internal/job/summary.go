package job

import (
	"fmt"
	"time"

	"github.com/shardfs/shardfs/internal/output"
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

	Outputs int     `json:"-"` // how many of Options.Outputs the run has published
	Existed int     `json:"-"` // how many of them existed
	GivenUp []error `json:"-"` // why there are no more; all were reported

	each   bool   // there is an output for each source
	name   string // name of the source, or how many there are
	packed string // description of the output's contents
}

// summary returns the summary of a completed run.
func (r *run) summary(took time.Duration) Summary {
	failed := len(r.now.Failed)
	s := Summary{
		Done: r.now.Samples - failed, Failed: failed, Skipped: r.chooser.Seen - r.chooser.Taken, BytesIn: r.now.BytesIn,
		Lost: r.lost, Printed: r.printed, Completed: true, Cut: r.cut, name: r.name(),
		Outputs: r.outputs, Existed: r.existed, GivenUp: r.givenUp, each: r.Outputs != nil,
	}
	s.took(took, r.now.Samples-r.from.Samples)
	if r.out != nil {
		s.of(r.out)
	}
	return s
}

// took sets how long the run, or its part, took for a number of samples.
func (s *Summary) took(d time.Duration, samples int) {
	s.Seconds, s.PerSecond = d.Seconds(), float64(samples)/max(d.Seconds(), 1e-9)
}

// of sets what an output contains.
func (s *Summary) of(out *output.Output) {
	s.Output, s.Summary, s.packed = out.Name, out.Summary(), out.String()
	name := ui.NewJSONText(s.Output)
	s.OutputAs, s.OutputHex = name.Text, name.Hex
}

// String returns the summary as one line.
func (s Summary) String() string {
	if s.each && s.Done+s.Failed == 0 && len(s.GivenUp) == 0 && s.Outputs == 0 {
		return fmt.Sprintf("%s: %s, skipped", s.name, counted(s.Existed, "output exists", "outputs exist"))
	}
	text := fmt.Sprintf("%s done", ui.Count(s.Done, "sample"))
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d failed", s.Failed)
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", s.Skipped)
	}
	text += fmt.Sprintf(", %.1f a second", s.PerSecond)
	switch {
	case s.each:
		return fmt.Sprintf("%s: %s; %s", s.name, s.countOutputs(), text)
	case s.Output == "":
		return fmt.Sprintf("%s: %s", s.name, text)
	}
	return fmt.Sprintf("%s; %s; %s in", s.packed, text, ui.Size(s.BytesIn))
}

// countOutputs says how many outputs were published, existed, and are missing.
func (s *Summary) countOutputs() string {
	text := ui.Count(s.Outputs, "output") + " published"
	if s.Existed > 0 {
		text += fmt.Sprintf(", %d existed", s.Existed)
	}
	if n := len(s.GivenUp); n > 0 {
		text += fmt.Sprintf(", %d missing", n)
	}
	return text
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Err returns the error of a run that came to its end but did not process everything: ErrSampleFailed or ErrPartial,
// which were reported, Cut, or that of a source that was given up, if no other has an output.
func (s Summary) Err() error {
	some := s.Output != "" || s.Outputs+s.Existed > 0
	switch {
	case len(s.GivenUp) > 0 && !some:
		return ui.Reported(s.GivenUp[0])
	case s.Failed > 0 && !some:
		return ui.Reported(ErrSampleFailed)
	case s.Failed > 0 || len(s.GivenUp) > 0:
		return ui.Reported(ErrPartial)
	case some:
		return s.Cut
	}
	return nil
}
