package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// Runs that mount and unmount many shards at the same time do not end the mounts of each other, or their own next ones.
func TestRunsSideBySide(t *testing.T) {
	var members []string
	shards := manyOrFew(40, 10)
	for i := range shards {
		members = append(members, fmt.Sprintf("%03d.txt", i))
	}
	dir, in := t.TempDir(), shardtest.Write(t, members...)
	run := shell(dir, []string{"TMPDIR=" + dir})
	if said, err := run("pack " + in + " --split-count 1 -o many-%02d.tar").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	var all sync.WaitGroup
	for i := range manyOrFew(3, 2) {
		all.Go(func() {
			for round := range manyOrFew(20, 1) {
				line := fmt.Sprintf("run -j 2 -c true many-{00..%02d}.tar --if-exists overwrite -o %d-{name}.tar",
					shards-1, i)
				said, err := run(line).CombinedOutput()
				if err != nil || !strings.Contains(string(said), fmt.Sprintf("%d outputs published", shards)) {
					t.Errorf("run %d, round %d: %v: %s", i, round, err, said)
				}
			}
		})
	}
	all.Wait()
}
