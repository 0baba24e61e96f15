package output

import (
	"fmt"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/pack"
)

// report prints what a published output contains: as JSON if the UI is set to that and the tar does not go to standard
// output, else as a note.
func (out *Output) report() error {
	if out.o.UI.JSON && out.file != nil {
		name := ui.NewJSONText(out.Name)
		return out.o.UI.Print(struct {
			Output    *string `json:"output,omitempty"`
			OutputHex *string `json:"output_hex,omitempty"`
			pack.Summary
			Copied  int64   `json:"copied_in_store,omitempty"`
			Seconds float64 `json:"seconds"`
		}{name.Text, name.Hex, out.Summary(), out.copiedInStore(), time.Since(out.begun).Seconds()})
	}
	out.o.UI.Note("%s", out)
	return nil
}

// String describes what an output contains.
func (out *Output) String() string {
	s := out.Summary()
	text := fmt.Sprintf("%s: %s, %s, %s",
		out.Name, ui.Count(s.Samples, "sample"), ui.Count(s.Members, "member"), ui.Size(s.Bytes))
	leftOut := "left out"
	switch {
	case s.LeftOutFile == "":
	case s.LeftOut == 1:
		leftOut += fmt.Sprintf(" (%s)", s.LeftOutFile)
	default:
		leftOut += fmt.Sprintf(" (such as %s)", s.LeftOutFile)
	}
	if n := out.copiedInStore(); n > 0 {
		text += fmt.Sprintf(" (%s copied in the store)", ui.Size(n))
	}
	for _, less := range []struct {
		n           int
		thing, what string
	}{
		{s.LeftOut, "other file", leftOut},
		{s.Emptied, "emptied sample", "left out"},
		{s.Lacking, "sample", "without some of the members"},
	} {
		if less.n > 0 {
			text += "; " + ui.Count(less.n, less.thing) + " " + less.what
		}
	}
	if s.Outside > 0 {
		text += fmt.Sprintf("; %s outside samples left out", ui.Count(s.Outside, "member"))
	}
	return text
}

// copiedInStore returns how many bytes of the output have not passed through this machine.
func (out *Output) copiedInStore() int64 {
	c, ok := out.file.(store.Copied)
	if !ok {
		return 0
	}
	return c.Copied()
}
