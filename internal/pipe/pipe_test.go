package pipe

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// The output of a command is complete only if it exits with status 0.
func TestReader(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		failed     bool
	}{
		{"pipe:echo hello", "hello\n", false},
		{"pipe:echo hello; exit 3", "hello\n", true},
		{"pipe:echo hello; kill -9 $$", "hello\n", true},
		{"pipe:true", "", false},
	} {
		c, err := OpenReader(t.Context(), tt.name, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if string(b) != tt.want || errors.Is(err, errFailed) != tt.failed || !tt.failed && err != nil {
			t.Errorf("%s: %q, %v", tt.name, b, err)
		}
		c.Abort()
	}
}

// A command that does not read to the end has failed, and the error is not EPIPE.
func TestWriter(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	for _, tt := range []struct {
		name   string
		failed bool
	}{
		{"pipe:cat >" + out, false}, {"pipe:cat >" + out + "; exit 3", true}, {"pipe:head -c 1 >" + out, true},
	} {
		c, err := OpenWriter(t.Context(), tt.name, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Write(make([]byte, 1<<20)) // more than a pipe holds
		if err == nil {
			err = c.Finish()
		}
		c.Abort()
		if errors.Is(err, errFailed) != tt.failed || errors.Is(err, unix.EPIPE) || !tt.failed && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// A command that is aborted does not see the end of its input.
func TestAbort(t *testing.T) {
	done := filepath.Join(t.TempDir(), "done")
	c, err := OpenWriter(t.Context(), "pipe:cat >/dev/null; : >"+done, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("half")); err != nil {
		t.Error(err)
	}
	c.Abort()
	if _, err := os.Stat(done); err == nil {
		t.Error("the command took what it had read for the whole")
	}
}

// A read and a write that wait for the other end of a pipe end with their context.
func TestInterrupt(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	go cancel(stop)
	if n, err := NewReader(ctx, r).Read(make([]byte, 1)); n != 0 || err != stop {
		t.Errorf("read: %d, %v", n, err)
	}
	if n, err := NewWriter(ctx, w).Write(make([]byte, 1<<20)); n != 0 || err != stop {
		t.Errorf("write: %d, %v", n, err)
	}
}

// When the reader of a pipe has gone, so is the wish for what is written to it. A pipe that has its reader ends nothing.
func TestWhileRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, stop := WhileRead(t.Context(), w)
	stop()
	if err := context.Cause(ctx); err != context.Canceled {
		t.Errorf("stopped: %v", err)
	}
	ctx, stop = WhileRead(t.Context(), w)
	defer stop()
	if _, err := w.WriteString("text"); err != nil || ctx.Err() != nil {
		t.Errorf("while it is read: %v, %v", err, context.Cause(ctx))
	}
	r.Close()
	<-ctx.Done()
	if err := context.Cause(ctx); err != unix.EPIPE {
		t.Errorf("after its reader was closed: %v", err)
	}
}
