package codec

import "sync"

// growing implements Points that a pass adds to.
type growing struct {
	mu   sync.RWMutex
	list []Checkpoint // elements of the slices in it do not change; a slice can grow or be replaced
}

// Len implements Points.
func (g *growing) Len() int {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return len(g.list)
}

// At implements Points.
func (g *growing) At(i int) Checkpoint {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.list[i]
}

// Out implements Points.
func (g *growing) Out(i int) int64 {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.list[i].Out
}

// add appends a checkpoint and returns its index. At the same time it gives the last checkpoint its remaining sums,
// because the sum of a shorter piece can be used only if the next checkpoint is known.
func (g *growing) add(c Checkpoint, sums ...uint32) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.list); n > 0 {
		g.list[n-1].Sums = append(g.list[n-1].Sums, sums...)
	}
	g.list = append(g.list, c)
	return len(g.list) - 1
}

// addSum appends a sum to the last checkpoint.
func (g *growing) addSum(sum uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := &g.list[len(g.list)-1]
	c.Sums = append(c.Sums, sum)
}

// setWindow replaces the window of a checkpoint.
func (g *growing) setWindow(i int, kept []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list[i].Window = kept
}
