package mounts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/retry"
	"github.com/shardfs/shardfs/internal/scratch"
)

// ErrUnpacked means that the mount has changes that were not packed.
var ErrUnpacked = errors.New("there are changes that were not packed")

// ErrHidden means that the scratch directory of a mount is at a path that this process cannot see.
var ErrHidden = errors.New("its scratch directory is not to be seen from here")

// End unmounts the mount at a place, and removes its scratch directory if that is temporary. Unless discard is set, it
// returns ErrUnpacked if a temporary scratch directory has changes that were not packed. If the mount is in use, in any
// mount namespace, the error is EBUSY and names the processes.
//
// The mount ends with its last place in the server's mount namespace: End returns when the server has ended. A mount
// that is still at another place, as by mount --bind, goes on there. If the guardian of a shard has detached the mount of
// a server that was killed, End removes what is left. The error is ErrNotMounted if shardfs has mounted nothing there.
func End(ctx context.Context, place string, discard bool) error {
	m, mounted, err := At(place)
	if err != nil {
		return err
	}
	if !mounted {
		return endDetached(place)
	}
	s, err := scratchOf(m)
	if err != nil {
		return endHidden(ctx, m, err, discard)
	}
	// A copy in another mount namespace would keep what the kernel has not written yet.
	if err := flush(m); err != nil {
		return err
	}
	if !discard && s.Temporary() {
		if unpacked, err := hasUnpacked(s); err != nil {
			return err
		} else if unpacked {
			return ErrUnpacked
		}
	}
	server, served := serverOf(m.Device)
	if served {
		defer server.close()
	}
	if err := unmountUnused(ctx, m, serverGone(m)); err != nil {
		return err
	}
	Unmake(m.Mountpoint, s.Made()) // at another place, its server would not
	if isElsewhere(m, server) {
		return nil
	}
	if served {
		// A copy of the mount in another mount namespace, which no process uses, must not keep it.
		if err := server.terminate(); err != nil {
			return err
		}
	}
	if err := awaitServer(ctx, s); err != nil {
		return err
	}
	if s.Temporary() {
		return s.Remove()
	}
	return nil
}

// endHidden unmounts a mount whose scratch directory cannot be opened, for the reason cause.
func endHidden(ctx context.Context, m Mount, cause error, discard bool) error {
	switch {
	case !errors.Is(cause, os.ErrNotExist):
		return cause
	case serverGone(m): // and the scratch directory was swept
		return Unmount(m.Mountpoint, true)
	case !discard: // there may be changes in it
		return fmt.Errorf("%w: %s", ErrHidden, m.Source)
	}
	return unmountUnused(ctx, m, false)
}

// unmountUnused unmounts a mount that no process uses; one whose server is gone is detached. If it would be the end of
// the mount, users in other mount namespaces count too.
func unmountUnused(ctx context.Context, m Mount, gone bool) error {
	if gone {
		return Unmount(m.Mountpoint, true)
	}
	seen := newNamespaces(m.Device)
	seen.mounts[namespaceOf("/proc/self")] = []Mount{m}
	by := ""
	p := retry.Policy{Limit: time.Second, Most: 10 * time.Millisecond}
	return retry.While(ctx, p, func(err error) bool { return err == unix.EBUSY && by == "" }, func() error {
		if by = seen.users(); by == "" {
			err := Unmount(m.Mountpoint, false)
			if !errors.Is(err, unix.EBUSY) {
				return err
			}
			if by = seen.users(); by == "" {
				return unix.EBUSY // by a process that reads ahead, or one that is not to be seen
			}
		}
		return fmt.Errorf("%w: process %s", unix.EBUSY, by)
	})
}

// isElsewhere reports whether a mount that was unmounted goes on at another place: in this mount namespace, or in that
// of its server, which may be nil.
func isElsewhere(m Mount, server *process) bool {
	all, err := List()
	return err != nil || len(placesOf(all, m)) > 0 || server != nil && server.sees(m)
}

// awaitServer returns when no process holds a scratch directory any more.
func awaitServer(ctx context.Context, s *scratch.Scratch) error {
	p := retry.Policy{Limit: 10 * time.Second, Most: 10 * time.Millisecond}
	return retry.While(ctx, p, retry.Is(scratch.ErrInUse), func() error {
		if s.InUse() {
			return fmt.Errorf("%s: %w: unmounted, but its server has not ended", s.Dir, scratch.ErrInUse)
		}
		return nil
	})
}
