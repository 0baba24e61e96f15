package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// worker is a command that runs for many jobs. The goroutine of its slot stays locked to its thread.
type worker struct {
	*command
	in     *os.File // its standard input
	answer []byte   // bytes written since it last got a directory
}

// longestAnswer limits the length of an answer in bytes.
const longestAnswer = 64 << 10

// roundTrip gives the slot's worker a directory and returns its answer as an error. If there is no valid answer, the
// worker is stopped, and the next job gets a new one.
func (s *slot) roundTrip(ctx context.Context, dir string, res *Result) error {
	if strings.ContainsRune(dir, '\n') {
		return fmt.Errorf("%w: the directory's name has a newline", errProtocol)
	}
	if s.worker != nil && s.worker.waitid(unix.WNOHANG) {
		s.stopWorker(ctx) // it has exited after its last answer
	}
	if s.worker == nil {
		if err := s.startWorker(); err != nil {
			return err
		}
	}
	err := s.ask(ctx, dir, res)
	var answer *answerError
	switch {
	case err == nil, errors.As(err, &answer):
	case errors.Is(err, errEnded):
		if exit := exitError(s.stopWorker(ctx)); exit != nil {
			return exit
		}
	default:
		gone, cancel := context.WithCancel(ctx)
		cancel()
		s.stopWorker(gone)
	}
	return err
}

var errEnded = fmt.Errorf("%w: it ended", errProtocol)

// ask writes a directory to the worker and waits for its answer or its end.
func (s *slot) ask(ctx context.Context, dir string, res *Result) error {
	w := s.worker
	if w.streams[0].readable(0) {
		return fmt.Errorf("%w: it wrote more than one line for the previous directory", errProtocol)
	}
	w.answer = w.answer[:0]
	s.keep(w.command, w.receive, res)
	release := w.killOnDone(ctx, s.grace)
	w.in.WriteString(dir + "\n") // fails only if the worker has ended, which capture notices
	err := w.capture(s.buf, func() bool { return bytes.IndexByte(w.answer, '\n') >= 0 || w.streams[0].fd < 0 })
	if cause := release(); cause != nil {
		return cause
	}
	if err == nil {
		err = w.streams[0].drain(s.buf) // it may have answered and ended at once
	}
	if err != nil {
		return err
	}
	line, more, whole := bytes.Cut(w.answer, []byte("\n"))
	verdict, message, _ := strings.Cut(string(line), " ")
	switch {
	case whole && len(more) == 0 && string(line) == "ok":
		return nil
	case whole && len(more) == 0 && verdict == "fail":
		return &answerError{message}
	case whole:
		return fmt.Errorf("%w: it wrote %.100q", errProtocol, w.answer)
	}
	return errEnded
}

// receive appends a piece of an answer.
func (w *worker) receive(p []byte) error {
	w.answer = append(w.answer, p...)
	if len(w.answer) > longestAnswer {
		return fmt.Errorf("%w: the line is longer than %d bytes", errProtocol, longestAnswer)
	}
	return nil
}

// startWorker starts a worker.
func (s *slot) startWorker() error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	runtime.LockOSThread() // until stopWorker; see execute
	c, err := s.start(Place{}, s.Argv, s.Env, in)
	if err != nil {
		runtime.UnlockOSThread()
		return errors.Join(err, out.Close())
	}
	s.worker = &worker{command: c, in: out}
	return nil
}

// ErrWorker is wrapped by the error of a worker that answered "ok" to its last job, and then failed.
var ErrWorker = errors.New("a worker failed after its last sample")

// endWorker ends a worker that has no job, and keeps its failure for the end of the run.
func (s *slot) endWorker(ctx context.Context) {
	good := string(s.worker.answer) == "ok\n"
	if err := exitError(s.stopWorker(ctx)); err != nil && good {
		s.ended.set(fmt.Errorf("%w: %w", ErrWorker, err))
	}
}

// firstError keeps the first of the errors that several goroutines set.
type firstError struct {
	mu  sync.Mutex // guards err
	err error
}

func (e *firstError) set(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = err
	}
}

func (e *firstError) get() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// stopWorker ends the slot's worker: it closes the worker's input, sends SIGTERM after Options.grace or when ctx is
// done, and SIGKILL after another Options.grace. It returns the exit status.
func (s *slot) stopWorker(ctx context.Context) unix.WaitStatus {
	w := s.worker
	s.worker = nil
	defer runtime.UnlockOSThread()
	ignored := func([]byte) error { return nil }
	s.keep(w.command, ignored, new(Result))
	w.in.Close()
	ctx, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	go func() {
		select {
		case <-s.Hurry:
			cancel()
		case <-ctx.Done():
		}
	}()
	release := w.killOnDone(ctx, s.grace)
	w.capture(s.buf, never)
	w.waitid(0)
	release()
	status, _ := w.end(s.buf)
	return status
}
