// Package job runs a command over the samples of one or many sources.
//
// Sources are taken one after the other, and one workspace is open at a time. Commands run in parallel, but their
// results are handled one by one, in the order of the samples: what a command wrote is printed, the sample goes into
// the output or into that of failed samples, and the report gets a line. So the outputs depend neither on timing nor on
// the number of commands that run at a time.
//
// A run is resumable if it writes its output to a file and reads shards from a store. At borders of samples it then
// saves how far it has come, as a checkpoint in a directory, in which a later run with the same options finds it and
// continues.
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

// Policy says what happens when a command fails.
type Policy uint8

const (
	Stop Policy = iota // the run ends, and nothing is published
	Skip               // the sample is left out
	Keep               // the sample stays as it was
)

// Options says what is run, and what becomes of the samples. Argv, UI, and what Workspace demands must be set.
type Options struct {
	Argv    []string      // the command
	Env     []string      // its environment; variables about the sample are added to it
	Jobs    int           // commands at a time; 0 means GOMAXPROCS
	Batch   int           // samples for each command, whose directories are its arguments; 0: one, in which it runs
	Worker  bool          // commands are kept, and read the directories of samples, one a line
	Timeout time.Duration // for each command; 0 means none
	Retries int           // how often a failed command is run again
	Stdout  *os.File      // what the commands write to their standard output
	Stderr  *os.File      // standard error of the commands

	OnError   Policy      // what happens to a sample whose command failed
	MaxFailed Limit       // how many may fail; the zero value sets no limit
	Choice    pack.Choice // which samples are taken, of all sources together

	Output output.Options // where samples are packed; without a name nothing is
	Failed output.Options // where samples that failed are packed as they were; without a name nowhere
	Report string         // file that gets a line of JSON for each sample; "": none
	AddLog string         // extension of a new member with what a command wrote; "": none

	Workspace   workspace.Options
	Checkpoints string   // directory for the checkpoints of a resumable run; "": there are none
	Resume      bool     // an earlier run is continued, if there is one in Checkpoints
	Settings    Settings // what else decides on the bytes of the outputs

	UI *ui.UI
}
