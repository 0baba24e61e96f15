package overlay

// Nodes returns how many files and directories a tree keeps track of.
func Nodes(t *Tree) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.nodes) + len(t.opens) + len(t.byInode)
}
