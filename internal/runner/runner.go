// Package runner runs one command in many directories.
//
// A job is a directory, made ready just before its turn, and the command that runs in it: a process group of its own for
// each job, or one process that is told of one directory after the other. A few hands do the jobs; the caller ranges over
// the results, in the order of the jobs. The caller's loop is the brake: the hands are never more than a small window ahead
// of it.
//
// When a result is yielded, its process group has ended: nothing that the command left in the background writes later.
// (What moved itself to another session or process group, by setsid or a shell's job control, is out of reach.) When the
// loop is left, for whatever reason, no command runs, no worker waits, no file is open.
//
// A directory must not lie in a file system that is served by the calling process: a child enters its directory while the
// thread that started it cannot run, and the two would wait for each other. The calling process becomes a subreaper and
// stays one: it adopts what commands leave behind, waits for the end of what is in their groups, and reaps the rest. If it
// is killed itself, the commands are killed too, but not what they have started.
package runner

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTimeout is wrapped by the error of a job whose command ran longer than Options.Timeout.
var ErrTimeout = errors.New("timed out")

// Job is one command in one directory.
type Job struct {
	// Prepare makes the directory ready for an attempt, from 1 on, as if there had been none before. It is called just
	// before the command; its error is the job's, and the command is not run. Jobs are prepared concurrently. If the disk is
	// full, Prepare is called again when other jobs have given back what they had, if any can. The directory is the job's
	// until the loop has taken its result; at most 2 times Options.Jobs of them are in use at once.
	Prepare func(ctx context.Context, attempt int) (Place, error)

	// Discard, if not nil, is called when the job has failed for good: nobody needs its directory any more. Its error becomes
	// the job's.
	Discard func() error

	// Tag is handed back in the job's Result.
	Tag any
}

// Place is where a command runs, and what it is told of that.
type Place struct {
	Dir  string   // its working directory, an absolute path
	Args []string // more arguments, behind Options.Argv
	Env  []string // more variables, NAME=value, that replace those of the same name in Options.Env
}

// Options says what is run and how. Only Argv must be set.
type Options struct {
	Argv    []string      // the command; Argv[0] is looked up once, as exec.LookPath does
	Env     []string      // the environment; PWD is always the job's directory; nil means nothing else
	Jobs    int           // commands at a time; 0 means GOMAXPROCS
	Retries int           // how many more times a job whose command failed is done
	Timeout time.Duration // after that the process group gets SIGTERM; 0 means never
	Grace   time.Duration // from SIGTERM to SIGKILL; 0 means 5 s
	Stderr  *os.File      // standard error of the commands; nil means /dev/null
	Spill   string        // directory for output beyond 1 MiB a job, in files without a name; "" means os.TempDir()
	Tail    int           // how many of the last bytes of standard error are kept in Result.Tail
	Log     bool          // Result.Log is kept

	// Terminal, if not nil, makes standard output of the commands a terminal of that one's size, so that they write what
	// they would write there. The output is captured all the same.
	Terminal *os.File

	// Worker keeps a command for many jobs, in the directory of the calling process: it is told of a directory by a line on
	// its standard input, and answers with a line on its standard output, "ok" or "fail" and a message. A place then has no
	// Args and no Env, and results have no Output. At the end of its input, or after any other end of a job, it has to end.
	Worker bool

	// Spare reports whether a child of the calling process, none of a command, is somebody else's to wait for; nil: there is
	// no such child.
	Spare func(pid int) bool
}

// Result says how one job ended.
type Result struct {
	Number   int           // position of the job, from 0
	Tag      any           // the job's
	Err      error         // nil: exit status 0, or "ok"; else what Failed accepts, or what kept the command from running
	Attempts int           // how often the job was done
	Duration time.Duration // of the last attempt, from the command's start to its end; 0 if none was started
	Output   *Output       // the command's standard output, never nil; valid until the loop's next step
	Log      *Output       // standard output and error as they came, if Options.Log; valid as long
	Tail     []byte        // the end of standard error
}

// Failed reports whether an error says that a command failed, and not that it could not be run.
func Failed(err error) bool {
	var exit *ExitError
	var answer *AnswerError
	return errors.As(err, &exit) || errors.As(err, &answer) || errors.Is(err, ErrTimeout) || errors.Is(err, ErrProtocol)
}

// ExitError is the error of a command that ended by itself, or by a stranger's signal, other than with status 0.
type ExitError struct {
	Status int            // exit status, if Signal is 0
	Signal syscall.Signal // what killed the command, or 0
}

func (e *ExitError) Error() string {
	if e.Signal != 0 {
		return fmt.Sprintf("killed by signal %d (%v)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Status)
}

// AnswerError is the error of a job whose worker answered "fail".
type AnswerError struct{ Message string }

func (e *AnswerError) Error() string {
	if e.Message == "" {
		return "fail"
	}
	return "fail: " + e.Message
}

// ErrProtocol is wrapped by the error of a job whose worker did something else than to answer with one line.
var ErrProtocol = errors.New("the worker did not answer with one line, ok or fail")

// windowPerHand bounds how many jobs are between the pull from the sequence and the end of the loop's step, for each hand.
// Their directories hold disk space all that time, so the window is small: for each that is worked on there is one that is done
// and waits for its turn. While jobs take up to about this many times as long as their neighbours, no hand waits.
const windowPerHand = 2

// Run runs the jobs, Options.Jobs at a time, and yields their results in the order of the jobs. A failed job is a result
// like any other.
//
// The error ends the sequence: Argv[0] was not found (an *exec.Error, often exec.ErrNotFound) or ctx is done (its
// context.Cause). A sequence that ends without one has yielded a result for every job. When ctx is done or the loop is
// left, running commands get SIGTERM and, after Options.Grace, SIGKILL; the jobs that this cuts short have no result.
// Run waits for them before it yields the error or lets the loop go.
//
// The jobs are pulled by one goroutine, as far ahead as the window allows. Run waits for a pull to return: a sequence that
// can block should end when ctx is done, and a loop that leaves early should cancel ctx first.
func Run(ctx context.Context, o Options, jobs iter.Seq[Job]) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		r, err := newRun(o)
		if err != nil {
			yield(Result{}, err)
			return
		}
		defer r.null.Close()
		if err := r.each(ctx, jobs, func(res Result) bool { return yield(res, nil) }); err != nil {
			yield(Result{}, err)
		}
	}
}

// run is one call of Run, which the hands share.
type run struct {
	Options              // with zero values resolved
	path        string   // Argv[0] as an absolute path
	null        *os.File // /dev/null: every command's standard input
	errTimedOut error    // ErrTimeout with its duration
	children    children
	room        *room
}

// newRun looks up the command and opens what all jobs share.
func newRun(o Options) (*run, error) {
	if len(o.Argv) == 0 {
		return nil, errors.New("no command")
	}
	path, err := exec.LookPath(o.Argv[0])
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become a subreaper: %w", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if o.Jobs == 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Stderr == nil {
		o.Stderr = null
	}
	return &run{Options: o, path: path, null: null, room: newRoom(), errTimedOut: fmt.Errorf("%w after %v", ErrTimeout, o.Timeout)}, nil
}

// task is a job on its way from the sequence through a hand to the loop.
type task struct {
	job    Job
	done   chan struct{} // closed by the hand when the fields below are set
	result Result
	cut    error // not nil: the job was cut short because the run is over
}

func (r *run) newTask(number int, job Job) *task {
	t := &task{job: job, done: make(chan struct{}), result: Result{Number: number, Tag: job.Tag, Output: &Output{dir: r.Spill}}}
	if r.Log {
		t.result.Log = &Output{dir: r.Spill}
	}
	return t
}

// forget frees what was kept of the command's output.
func (t *task) forget() {
	t.result.Output.close()
	if t.result.Log != nil {
		t.result.Log.close()
	}
	t.result.Tail = nil
}

// each runs the jobs and calls yield for each result, in order. It returns when all it started has ended: with nil when
// yield has seen every job or refused one, else with the cause of ctx.
func (r *run) each(ctx context.Context, jobs iter.Seq[Job], yield func(Result) bool) error {
	running, cancel := context.WithCancel(ctx)
	// The loop holds one task and the goroutine that pulls another, so the channel holds the window less two.
	order := make(chan *task, windowPerHand*r.Jobs-2)
	work := make(chan *task)
	var group sync.WaitGroup
	defer func() {
		cancel()
		for t := range order {
			<-t.done
			t.forget()
		}
		group.Wait()
	}()

	for range r.Jobs {
		group.Go(func() {
			h := hand{run: r, buf: make([]byte, 64<<10)} // a pipe's capacity
			for t := range work {
				h.do(running, t)
			}
			if h.worker != nil {
				h.dismiss(running)
			}
		})
	}
	group.Go(func() {
		defer close(work)
		defer close(order)
		number := 0
		for job := range jobs {
			t := r.newTask(number, job)
			work <- t
			order <- t
			number++
			if running.Err() != nil {
				return
			}
		}
	})

	for t := range order {
		<-t.done
		more := t.cut == nil && yield(t.result)
		t.forget()
		r.room.settle()
		if !more {
			return t.cut
		}
	}
	return context.Cause(ctx)
}

// hand does one job after the other.
type hand struct {
	*run
	buf    []byte
	worker *worker // kept for the next job; nil: there is none
}

// do does one job, from Prepare to the end of its process group, as often as it takes.
func (h *hand) do(ctx context.Context, t *task) {
	defer close(t.done)
	for again := true; again; {
		if t.cut = context.Cause(ctx); t.cut != nil {
			return
		}
		t.result.Attempts++
		t.forget()
		again, t.result.Err = h.attempt(ctx, t)
		if t.result.Err != nil {
			t.cut = context.Cause(ctx) // nil while the run goes on
		}
	}
}

// attempt prepares the directory and runs the command in it. It reports whether the job is to be done again.
func (h *hand) attempt(ctx context.Context, t *task) (again bool, err error) {
	place, err := h.prepare(ctx, t)
	if err != nil {
		return false, err
	}
	defer h.room.leave(true)
	started := time.Now()
	err = h.command(ctx, place, &t.result)
	t.result.Duration = time.Since(started)
	h.children.reapStrays(h.Spare)
	if !Failed(err) || t.result.Attempts <= h.Retries {
		return Failed(err), err
	}
	if t.job.Discard != nil {
		if discardErr := t.job.Discard(); discardErr != nil {
			err = discardErr
		}
	}
	return false, err
}

// prepare prepares the directory, when there is room for it. The job is busy then.
func (h *hand) prepare(ctx context.Context, t *task) (Place, error) {
	for {
		given := h.room.enter()
		place, err := t.job.Prepare(ctx, t.result.Attempts)
		if err == nil && !filepath.IsAbs(place.Dir) {
			err = fmt.Errorf("directory %q is not an absolute path", place.Dir)
		}
		if err == nil {
			return place, nil
		}
		h.room.leave(false)
		if !isFull(err) || !h.room.wait(ctx, t.result.Number, given) {
			return Place{}, err
		}
	}
}

// command runs a command, or asks the worker, for one job.
func (h *hand) command(ctx context.Context, place Place, res *Result) error {
	if h.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, h.Timeout, h.errTimedOut)
		defer cancel()
	}
	if h.Worker {
		return h.tell(ctx, place.Dir, res)
	}
	return h.execute(ctx, place, res)
}

// execute runs a command of its own.
func (h *hand) execute(ctx context.Context, place Place, res *Result) error {
	// A child's parent-death signal comes when the thread that started it ends, and Go is free to end a thread that no
	// goroutine is locked to. The lock has no measurable cost.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	argv := append(h.Argv[:len(h.Argv):len(h.Argv)], place.Args...)
	c, err := h.start(place.Dir, argv, environ(h.Env, place.Dir, place.Env), h.null)
	if err != nil {
		return err
	}
	h.keep(c, res.Output.append, res)
	return c.wait(ctx, h.Grace, h.buf)
}

// environ returns env with PWD and the variables of more in it. Each name occurs once: which of two a command would see
// depends on the command.
func environ(env []string, dir string, more []string) []string {
	all := make([]string, 0, len(env)+1+len(more))
	all = append(append(all, "PWD="+dir), more...)
	own := all
	for _, v := range env {
		if !defines(own, v) {
			all = append(all, v)
		}
	}
	return all
}

// defines reports whether env has a variable of the name that the variable v has.
func defines(env []string, v string) bool {
	name, _, _ := strings.Cut(v, "=")
	for _, e := range env {
		if n, _, _ := strings.Cut(e, "="); n == name {
			return true
		}
	}
	return false
}
