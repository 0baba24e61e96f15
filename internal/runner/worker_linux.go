package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// worker is a command that is kept for many jobs. The hand that has one stays locked to its thread.
type worker struct {
	*command
	in     *os.File // its standard input
	answer []byte   // what it has written since it was last told of a directory
}

// longestAnswer is how many bytes an answer may have.
const longestAnswer = 64 << 10

// tell tells the hand's worker of a directory and returns what it answers. After anything but an answer, the worker ends and
// the next job gets another one.
func (h *hand) tell(ctx context.Context, dir string, res *Result) error {
	if strings.ContainsRune(dir, '\n') {
		return fmt.Errorf("%w: the directory's name has a newline", ErrProtocol)
	}
	if h.worker != nil && h.worker.waitid(unix.WNOHANG) {
		h.dismiss(ctx) // it had answered all
	}
	if h.worker == nil {
		if err := h.hire(); err != nil {
			return err
		}
	}
	err := h.converse(ctx, dir, res)
	var answer *AnswerError
	switch {
	case err == nil, errors.As(err, &answer):
	case errors.Is(err, errEnded):
		if exit := exitError(h.dismiss(ctx)); exit != nil {
			return exit
		}
	default:
		gone, cancel := context.WithCancel(ctx)
		cancel()
		h.dismiss(gone)
	}
	return err
}

var errEnded = fmt.Errorf("%w: it ended", ErrProtocol)

// converse tells the worker of a directory and waits for its answer or its end.
func (h *hand) converse(ctx context.Context, dir string, res *Result) error {
	w := h.worker
	if w.streams[0].readable(0) {
		return fmt.Errorf("%w: it wrote more than that for the directory before", ErrProtocol)
	}
	w.answer = w.answer[:0]
	h.keep(w.command, w.hear, res)
	release := w.leash(ctx, h.Grace)
	w.in.WriteString(dir + "\n") // if that cannot be done it has ended, which capture sees
	err := w.capture(h.buf, func() bool { return bytes.IndexByte(w.answer, '\n') >= 0 || w.streams[0].fd < 0 })
	if cause := release(); cause != nil {
		return cause
	}
	if err == nil {
		err = w.streams[0].drain(h.buf) // it may have answered and ended at once
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
		return &AnswerError{message}
	case whole:
		return fmt.Errorf("%w: it wrote %.100q", ErrProtocol, w.answer)
	}
	return errEnded
}

// hear takes a piece of an answer.
func (w *worker) hear(p []byte) error {
	w.answer = append(w.answer, p...)
	if len(w.answer) > longestAnswer {
		return fmt.Errorf("%w: its line is longer than %d bytes", ErrProtocol, longestAnswer)
	}
	return nil
}

// hire starts a worker.
func (h *hand) hire() error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	runtime.LockOSThread() // until it is dismissed; see execute
	c, err := h.start("", h.Argv, h.Env, in)
	if err != nil {
		runtime.UnlockOSThread()
		return errors.Join(err, out.Close())
	}
	h.worker = &worker{command: c, in: out}
	return nil
}

// dismiss ends the hand's worker: by the end of its input, after Options.Grace or when ctx is done by SIGTERM, and by SIGKILL
// after as long again. It returns its exit status.
func (h *hand) dismiss(ctx context.Context) unix.WaitStatus {
	w := h.worker
	h.worker = nil
	defer runtime.UnlockOSThread()
	ignored := func([]byte) error { return nil }
	h.keep(w.command, ignored, new(Result))
	w.in.Close()
	ctx, cancel := context.WithTimeout(ctx, h.Grace)
	defer cancel()
	release := w.leash(ctx, h.Grace)
	w.capture(h.buf, never)
	w.waitid(0)
	release()
	status, _ := w.end(h.buf)
	return status
}
