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

// withSignals returns a context that the first signal ends; the second signal ends the process at once. Stop cancels
// the context and stops watching for signals.
func withSignals(parent context.Context, signals <-chan os.Signal) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	// A write to a pipe without a reader must fail, not kill this process, which has files to remove.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		select {
		case first := <-signals:
			cancel(interrupted{first.(syscall.Signal)})
		case <-done:
			return
		}
		begun := time.Now()
		for {
			select {
			case second := <-signals:
				// The timeout command sends its signal to the process and to its group: these two count as one.
				if time.Since(begun) > 200*time.Millisecond {
					os.Exit(128 + int(second.(syscall.Signal)))
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
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
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as by nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	return signals
}
