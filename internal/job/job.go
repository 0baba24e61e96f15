// Package job runs a command over the samples of one or many sources.
//
// Sources are taken one after the other; what a run does with one of them is a leg. Commands run in parallel, but their
// results are handled one by one, in the order of the samples: the output of the command is printed, the sample is
// packed into the output or into the output of failed samples, and the report gets a line. So the outputs depend
// neither on timing nor on the number of parallel commands.
//
// There is one runner for all legs, so that the last commands in one source and the first in the next run side by side.
// An opener opens the legs ahead. One goroutine, that of the runner, makes the sequence of their jobs, with a mark after each
// leg; the loop over the results packs them; and what remains of a leg that the loop has left is done in the
// background: if each leg has its own output, that is published, and the leg is closed.
//
// A run is resumable if it writes its output to a file and reads shards from a store. Between samples it then saves its
// progress as a checkpoint in a directory, where a later run with the same options finds it and continues.
//
// The file checkpoint.json is JSON. Its versions:
//
//	1  The first. Since then fields for runs over several sources were added, which are absent in runs over one; a file
//	   without them means what it always has.
package job

import (
	"os"
	"time"

	"github.com/shardfs/shardfs/internal/output"
	"github.com/shardfs/shardfs/internal/ui"
	"github.com/shardfs/shardfs/internal/workspace"
	"github.com/shardfs/shardfs/pack"
)

// Policy is what to do about a sample whose command failed.
type Policy uint8

const (
	Stop Policy = iota // end the run and publish nothing
	Skip               // leave the sample out
	Keep               // keep the sample as it was
)

// Options configures a run. Argv, UI, and the required fields of Workspace must be set.
type Options struct {
	Argv    []string      // the command
	Script  int           // number of the argument that is a file of this directory, unless the sample has one; 0: none
	Hint    string        // said after the first failure of a command; "" means nothing
	Env     []string      // its environment; variables that describe the sample are added
	Jobs    int           // parallel commands; 0 means GOMAXPROCS
	Batch   int           // samples per command, their directories as arguments; 0: one, and the command runs in it
	Worker  bool          // keep each command running, and write it the directories of samples, one per line
	Timeout time.Duration // time limit of a command; 0 means none
	Retries int           // how many times a failed command is run again
	Stdout  *os.File      // where the standard output of the commands goes
	Stderr  *os.File      // where the standard error of the commands goes

	OnError   Policy      // the zero value is Stop
	MaxFailed Limit       // the zero value sets no limit
	Choice    pack.Choice // which samples to process, counted over all sources

	Output output.Options // where samples are packed; without a name, nothing is packed
	Failed output.Options // where failed samples are packed as they were; without a name, they are not

	// Outputs are names of outputs, one for each source, and that of Output is then the pattern of all. Each is published when
	// it is whole. If Output.IfExists is not Overwrite, they are looked for before any source is opened. Unless OnError is
	// Stop, a source that cannot be read is reported, and the others go on. Nil means one output for all sources.
	Outputs       []string
	FailedOutputs []string // the same of Failed

	// Ended is called when it is known what has become of a source, as far as the run has come: first for those that are
	// skipped, and for those that are published in their order. It is not called where all sources have one output, and for a
	// source of which no sample is chosen. Its error ends the run. Nil means that it is not wanted.
	Ended func(Outcome) error

	Report string          // file, or object, that gets a line of JSON for each sample; "" means none
	Hurry  <-chan struct{} // when it is closed, commands are killed without a grace; nil means never
	AddLog string          // extension of a new member with the output of the command; "" means none

	Workspace   workspace.Options
	Checkpoints string   // directory for the checkpoints of a resumable run; "" means not resumable
	Resume      bool     // continue the run that has left a checkpoint in Checkpoints, if any
	Settings    Settings // everything else that determines the bytes of the outputs

	UI *ui.UI
}
