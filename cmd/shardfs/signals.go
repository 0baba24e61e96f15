package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/server"
)

// interrupted is the error after a signal.
type interrupted struct{ signal syscall.Signal }

func (e interrupted) Error() string {
	if e.signal == syscall.SIGINT {
		return "interrupted"
	}
	return "interrupted by " + unix.SignalName(e.signal)
}

// Limits for a second signal. The timeout command sends its signal to the process and to its group: two that come at
// about the same time count as one, unless another process has counted them already.
const (
	sameSignal = 200 * time.Millisecond
	lastGrace  = 2 * time.Second
)

// withSignals returns a context that the first signal ends, and a channel that the second one closes: then nothing waits
// for commands any more. The third, or some time after the second, ends the process at once. Passed means that another
// process passes the signals on. Stop cancels the context and stops watching for signals.
func withSignals(parent context.Context, signals <-chan os.Signal, passed bool) (
	ctx context.Context, hurry <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	// A write to a pipe without a reader must fail, not kill this process, which has files to remove.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	done, hurried := make(chan struct{}), make(chan struct{})
	go func() {
		select {
		case first := <-signals:
			cancel(interrupted{first.(syscall.Signal)})
		case <-done:
			return
		}
		begun := time.Now()
		var last <-chan time.Time
		for n := 2; ; {
			select {
			case s := <-signals:
				if n == 2 && !passed && time.Since(begun) < sameSignal {
					continue
				}
				if n == 2 {
					close(hurried)
					last = time.After(lastGrace)
				} else {
					os.Exit(128 + int(s.(syscall.Signal)))
				}
				n++
			case <-last:
				sig, _ := signalOf(context.Cause(ctx))
				os.Exit(128 + int(sig))
			case <-done:
				return
			}
		}
	}()
	return ctx, hurried, func() {
		close(done)
		cancel(nil)
	}
}

// signalOf returns the signal that ended a context, given its cause.
func signalOf(cause error) (s syscall.Signal, ok bool) {
	var i interrupted
	ok = errors.As(cause, &i)
	return i.signal, ok
}

// ownSignals returns the signals that end this process. A process in its own namespace gets them from its parent.
func ownSignals(private bool) <-chan os.Signal {
	if private {
		return server.PassedSignals()
	}
	signals := make(chan os.Signal, 2)
	server.NotifyEnds(signals)
	return signals
}
