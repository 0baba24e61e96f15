package remote

import (
	"context"
	"sync"
)

// memory limits the memory of the pieces of all writers of an engine, and keeps it for the next ones: one piece of each
// writer, so that none waits for another one that does nothing, and inFlight-1 besides.
type memory struct {
	more chan struct{} // has a value for each piece that is not the only one of its writer

	mu    sync.Mutex // guards all below
	spare [][]byte
}

func newMemory() *memory { return &memory{more: make(chan struct{}, inFlight-1)} }

// piece waits until there is memory for a piece of a writer, and returns it. Own is the writer's, for one value.
func (m *memory) piece(ctx context.Context, own chan struct{}, size int64) (*piece, error) {
	var turn chan struct{}
	select {
	case own <- struct{}{}:
		turn = own
	case m.more <- struct{}{}:
		turn = m.more
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &piece{size: size, turn: turn}
	if n := len(m.spare); n > 0 {
		p.memory, m.spare = m.spare[n-1][:0], m.spare[:n-1]
	}
	return p, nil
}

// free ends the use of a piece.
func (m *memory) free(p *piece) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.spare) < inFlight && p.memory != nil {
		m.spare = append(m.spare, p.memory)
	}
	p.memory = nil
	<-p.turn
}
