// Package runner runs one command in many directories.
//
// A job is a directory, prepared just before its turn, and a command that runs in it: either a separate process
// for each job, or a worker, one process that gets one directory after the other. A few slots run the jobs in parallel;
// the caller handles the results, in the order of the jobs. That limits the pace: the slots are never more than a small window
// ahead of it.
//
// When a result is handled, its process group has ended: no background process of the command writes later. (Processes
// that have moved to another session or process group, by setsid or a shell's job control, are not covered.) When Run
// has returned, for any reason, no command or worker is running and no file is open.
//
// A directory must not be in a file system that the calling process serves: a child enters its directory while the
// thread that started it is blocked, so the two could wait for each other. The calling process becomes a subreaper and
// stays one: it adopts the orphans of commands, waits for those in the commands' groups, and reaps the rest. If it is
// killed itself, the commands are killed too, but not the processes that they have started.
package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// errTimeout is wrapped by the error of a job whose command ran longer than Options.Timeout.
var errTimeout = errors.New("timed out")

// Job is one command in one directory, or only a mark in the sequence of jobs.
type Job struct {
	// Prepare prepares the directory for an attempt, counted from 1, as if there had been no attempt before. It is
	// called just before the command; its error becomes the job's, and the command is then not run. Jobs are prepared
	// concurrently. If the disk is full, Prepare is called again when other jobs have freed space, if any can. The
	// directory belongs to the job until its result was handled; at most 2 times Options.Jobs of them are in
	// use at once. Nil makes the job a mark: it has no command, and its result comes when those of all jobs before it
	// were handled.
	Prepare func(ctx context.Context, attempt int) (Place, error)

	// Discard, if not nil, is called after the job's last attempt has failed, when its directory is no longer needed.
	// Its error becomes the job's.
	Discard func() error

	// Again, if not nil, is called when the command has ended by itself, and whether it has failed. True means that what it
	// has done does not count, because its directory was unfit: Prepare is called once more for the same attempt.
	Again func(failed bool) bool

	// Tag is returned in the job's Result.
	Tag any
}

// Place is where a command runs, with its arguments and variables for that directory.
type Place struct {
	Dir    string   // its working directory, an absolute path, of any length if there is a /proc
	Within string   // a beginning of Dir: symbolic links in the rest are not followed; "" means all are
	Argv   []string // arguments instead of those in Options.Argv, of the same program; nil means those
	Args   []string // arguments after those
	Env    []string // variables, NAME=value, that replace those with the same name in Options.Env
}

// Options configures Run. Only Argv must be set.
type Options struct {
	Argv    []string        // the command; Argv[0] is looked up once, as exec.LookPath does
	Env     []string        // the environment; PWD is always the job's directory; nil means no other variables
	Jobs    int             // parallel commands; 0 means GOMAXPROCS
	Retries int             // how many times a failed command is run again
	Timeout time.Duration   // time until the process group gets SIGTERM; 0 means none
	grace   time.Duration   // time from SIGTERM to SIGKILL; 0 means 5 s
	Stderr  *os.File        // standard error of the commands; nil means /dev/null
	Spill   string          // directory for unnamed files with output beyond 1 MiB per job; "" means os.TempDir()
	Hurry   <-chan struct{} // when it is closed, nothing gets a grace; nil means never
	Tail    int             // size of Result.Tail in bytes; 0 means none
	Log     bool            // record Result.Log

	// Terminal, if not nil, makes standard output of the commands a new terminal of the same size, so that they format
	// their output for it. The output is captured as with a pipe.
	Terminal *os.File

	// Worker keeps a command running for many jobs, in the directory of the calling process. It reads a directory from
	// each line of its standard input and answers with a line on its standard output, "ok" or "fail" and a message. A
	// Place then has no Args and no Env, and results have no Output. A worker must exit at the end of its input. After
	// a job that ends without such an answer, it is replaced.
	Worker bool

	// Spare reports whether other code waits for a child of the calling process that is not a command; nil means that
	// there is no such child.
	Spare func(pid int) bool
}

// Result is the result of one job.
type Result struct {
	number   int           // position of the job, from 0
	Tag      any           // Job.Tag
	Err      error         // nil: exit status 0, or "ok"; else Failed reports whether the command failed or did not run
	Attempts int           // number of attempts
	Duration time.Duration // run time of the command in the last attempt; 0 if none was started
	Output   *Output       // the command's standard output, never nil; valid until it was handled
	Log      *Output       // standard output and error in the order of writing, if Options.Log; valid as long as Output
	Tail     []byte        // end of standard error
}

// Failed reports whether an error means that a command has failed, not that it could not be run.
func Failed(err error) bool {
	var exit *ExitError
	var answer *answerError
	return errors.As(err, &exit) || errors.As(err, &answer) || errors.Is(err, errTimeout) ||
		errors.Is(err, errProtocol) || errors.Is(err, errGone)
}

// ExitError is the error of a command that exited with a status other than 0, or was killed by a signal not sent by
// Run.
type ExitError struct {
	Status int            // exit status, if Signal is 0
	Signal syscall.Signal // signal that killed the command, or 0
}

func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("killed by signal %d (%v)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

// answerError is the error of a job whose worker answered "fail".
type answerError struct{ Message string }

func (e *answerError) Error() string {
	if e.Message == "" {
		return "fail"
	}
	return "fail: " + e.Message
}

// errProtocol is wrapped by the error of a job whose worker did not answer with exactly one line.
var errProtocol = errors.New("the worker did not answer with one line, ok or fail")

// windowPerSlot limits, for each slot, the jobs that were pulled from the sequence and not yet handled.
// Their directories take disk space all that time, so the window is small: for each running job there is one that has
// finished and waits for its turn. If no job takes more than about this many times as long as its neighbours, no slot
// is idle.
const windowPerSlot = 2

// maxMarks is how many marks of the sequence may wait to be handled; the sequence waits before it is pulled further.
const maxMarks = 64

// Run runs the jobs, Options.Jobs at a time, and calls handle for their results, in the order of the jobs, until it returns
// false. A failed job has a result, too. The calls are one after the other, but in any goroutine.
//
// The error is nil if handle was called for every job, or has returned false. Else Argv[0] was not found (an *exec.Error,
// often exec.ErrNotFound), ctx is done (its context.Cause), or, after all results, a worker has ended with ErrWorker. When
// ctx is done or handle has returned false, running commands get SIGTERM and, after Options.grace, SIGKILL; their jobs have
// no result. A worker that has no job gets the end of its input, and SIGTERM only after Options.grace. Run waits for all of
// them.
//
// One goroutine pulls the jobs, as far ahead as the window allows. Run waits for a pull to return: a sequence that can
// block should end when ctx is done, and a handle that returns false should cancel ctx first.
func Run(ctx context.Context, o Options, jobs iter.Seq[Job], handle func(Result) (more bool)) error {
	r, err := newRun(o)
	if err != nil {
		return err
	}
	defer r.close()
	return r.runAll(ctx, jobs, handle)
}

// run is the state of one call of Run, which its slots share.
type run struct {
	Options           // with zero values resolved
	path     string   // Argv[0] as an absolute path
	null     *os.File // /dev/null, the standard input of every command
	opened   *os.File // Stderr, if it was opened here; else nil
	timedOut error    // errTimeout with its duration
	session  bool     // each command gets a session of its own
	children children
	disk     *diskGate
	ended    firstError // of a worker after its last job
}

// newRun looks up the command and opens the files that all jobs share.
func newRun(o Options) (*run, error) {
	if len(o.Argv) == 0 {
		return nil, errors.New("no command")
	}
	path, err := exec.LookPath(o.Argv[0])
	if cause := new(fs.PathError); errors.As(err, &cause) {
		err = &exec.Error{Name: o.Argv[0], Err: cause.Err} // which does not name the program twice
	}
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := adoptStrays(); err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if o.Jobs == 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.grace == 0 {
		o.grace = 5 * time.Second
	}
	if o.Stderr == nil {
		o.Stderr = null
	}
	r := &run{Options: o, path: path, null: null, disk: newDiskGate(), session: mayHaveTerminal(),
		timedOut: fmt.Errorf("%w after %v", errTimeout, o.Timeout)}
	if only := writeOnly(o.Stderr); only != o.Stderr {
		r.Stderr, r.opened = only, only
	}
	return r, nil
}

// close closes the files that all jobs share.
func (r *run) close() {
	r.null.Close()
	if r.opened != nil {
		r.opened.Close()
	}
}

// slot runs one job after the other.
type slot struct {
	*run
	buf    []byte
	worker *worker // kept for the next job; nil if there is none
}

// do runs one job, from Prepare to the end of its process group, with its retries.
func (s *slot) do(ctx context.Context, t *task) {
	for again := true; again; {
		if t.cut = context.Cause(ctx); t.cut != nil {
			return
		}
		t.result.Attempts++
		t.forget()
		again, t.result.Err = s.attempt(ctx, t)
		if t.result.Err != nil {
			t.cut = context.Cause(ctx) // nil unless the run is over
		}
	}
}

// attempt prepares the directory and runs the command in it. It reports whether there must be another attempt.
func (s *slot) attempt(ctx context.Context, t *task) (again bool, err error) {
	place, err := s.prepare(ctx, t)
	if err != nil {
		return false, err
	}
	defer s.disk.leave(true)
	started := time.Now()
	err = s.command(ctx, place, &t.result)
	t.result.Duration = time.Since(started)
	s.children.reapStrays(s.Spare)
	if (err == nil || Failed(err)) && ctx.Err() == nil && t.job.Again != nil && t.job.Again(err != nil) {
		t.result.Attempts--
		return true, err
	}
	if !Failed(err) || t.result.Attempts <= s.Retries {
		return Failed(err), err
	}
	if t.job.Discard != nil {
		if discardErr := t.job.Discard(); discardErr != nil {
			err = discardErr
		}
	}
	return false, err
}

// prepare prepares the directory once the disk has space for it. The job then counts as busy until leave.
func (s *slot) prepare(ctx context.Context, t *task) (Place, error) {
	for {
		freed := s.disk.enter()
		place, err := t.job.Prepare(ctx, t.result.Attempts)
		if err == nil && !filepath.IsAbs(place.Dir) {
			err = fmt.Errorf("directory %q is not an absolute path", place.Dir)
		}
		if err == nil {
			return place, nil
		}
		s.disk.leave(false)
		if !isFull(err) || !s.disk.wait(ctx, t.result.number, freed) {
			return Place{}, err
		}
	}
}

// command runs a command, or asks the worker, for one job.
func (s *slot) command(ctx context.Context, place Place, res *Result) error {
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, s.timedOut)
		defer cancel()
	}
	if s.Worker {
		return s.roundTrip(ctx, place.Dir, res)
	}
	return s.execute(ctx, place, res)
}

// execute runs a command for this job only.
func (s *slot) execute(ctx context.Context, place Place, res *Result) error {
	// A child gets its parent-death signal when the thread that started it ends, and Go may end threads to which no
	// goroutine is locked. The lock has no measurable cost.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	argv := place.Argv
	if argv == nil {
		argv = s.Argv
	}
	c, err := s.start(place, slices.Concat(argv, place.Args), environ(s.Env, place.Dir, place.Env), s.null)
	if err != nil {
		return err
	}
	s.keep(c, res.Output.append, res)
	return c.wait(ctx, s.grace, s.buf)
}
