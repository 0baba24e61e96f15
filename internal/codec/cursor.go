package codec

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// cursor is a decoder somewhere in the shard. The goroutine that has set busy owns the decoder; the other fields are
// guarded by ReaderAt.mu.
type cursor struct {
	decoder decoder
	in      sourceReader // input of the decoder; its ctx is that of the read or of decoding ahead
	history int64        // history limit of the decoder
	busy    bool
	from    int64 // its plain offset
	to      int64 // its plain offset when it will be no longer busy
	far     bool  // it decodes ahead, which takes longer than a read
	begun   int64 // plain offset of the checkpoint where it was started
	random  bool  // it was started by a read, and has decoded for no other; see finish
}

// Rest drops the cursors that are idle. Later reads start others.
func (z *ReaderAt) Rest() {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.cursors = slices.DeleteFunc(z.cursors, func(c *cursor) bool { return !c.busy })
}

// borrow makes a cursor at or before a piece busy and returns it: the nearest, or one started at a checkpoint. It
// returns nil if the nearest is busy, or if a new one is needed and all are busy; the caller must then wait.
func (z *ReaderAt) borrow(ctx context.Context, want extent) (*cursor, error) {
	var best *cursor
	for _, c := range z.cursors {
		if c.far && c.to <= want.off {
			continue // waiting for it would take longer than a new start
		}
		if want.point.Out-cursorReach <= c.to && c.from <= want.off && (best == nil || best.to < c.to) {
			best = c
		}
	}
	if best != nil && best.busy {
		return nil, nil
	}
	if best == nil {
		if best = z.spare(); best == nil {
			return nil, nil
		}
		if err := z.start(ctx, best, want.point); err != nil {
			return nil, err
		}
		best.random = true
	} else {
		best.random = false
	}
	best.busy, best.to, best.in.ctx = true, want.end, ctx
	return best, nil
}

// spare returns a cursor for a new place: a new one, or the one idle for longest, or nil if all are busy.
func (z *ReaderAt) spare() *cursor {
	most := z.format.row().decoders
	if z.history > smallHistory {
		most = 1
	}
	if len(z.cursors) < most {
		c := new(cursor)
		z.cursors = append(z.cursors, c)
		return c
	}
	for _, c := range z.cursors {
		if !c.busy {
			return c
		}
	}
	return nil
}

// needsMore reports whether c failed with err because of the history limit of its decoder, and raises the limit for new
// decoders.
func (z *ReaderAt) needsMore(c *cursor, err error) bool {
	if !errors.Is(err, errHistory) || c.history == maxHistory {
		return false
	}
	if z.history < maxHistory {
		z.history = maxHistory
		z.cursors = slices.DeleteFunc(z.cursors, func(c *cursor) bool { return !c.busy })
	}
	return true
}

// start moves a cursor to a checkpoint.
func (z *ReaderAt) start(ctx context.Context, c *cursor, point Checkpoint) error {
	err := func() (err error) {
		if c.decoder == nil {
			if c.decoder, err = newDecoder(z.format, z.history, nil); err != nil {
				return err
			}
			c.history = z.history
		}
		if point.Window, err = z.unpack.window(point.Window); err != nil {
			return err
		}
		c.in = sourceReader{ctx: ctx, src: z.src, off: point.In, size: z.size}
		z.tell(c, point)
		return c.decoder.start(&c.in, point)
	}()
	if err != nil {
		z.remove(c)
		return fmt.Errorf("plain byte %d: %w", point.Out, err)
	}
	c.from, c.begun = point.Out, point.Out
	return nil
}

// remove removes c from z.cursors.
func (z *ReaderAt) remove(c *cursor) {
	i := slices.Index(z.cursors, c)
	z.cursors = slices.Delete(z.cursors, i, i+1)
}
