package runner

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// queued returns a queue of so many tasks, which are numbered, and the numbers of those that were handled. The last one
// is a mark; handle returns false for the task number bad.
func queued(slots, n, bad int) (*queue, []*task, *[]int) {
	var handled []int
	q := newQueue(slots, func(t *task) bool {
		handled = append(handled, t.result.number)
		return t.result.number != bad
	})
	tasks := make([]*task, n)
	for i := range tasks {
		tasks[i] = &task{result: Result{number: i}}
		if i < n-1 {
			tasks[i].job.Prepare = at("/")
		}
		q.add(tasks[i])
	}
	return q, tasks, &handled
}

// A slot handles what is done, in order, but leaves marks to the loop.
func TestQueueInSlots(t *testing.T) {
	q, tasks, handled := queued(2, 4, -1)
	for _, step := range []struct {
		done int
		want []int
	}{{1, nil}, {0, []int{0, 1}}, {2, []int{0, 1, 2}}} {
		q.slow = false // whatever the machine does
		if q.finish(tasks[step.done]); !slices.Equal(*handled, step.want) && !q.slow {
			t.Errorf("after task %d is done, %v were handled, want %v", step.done, *handled, step.want)
		}
	}
	q.end()
	if all := q.loop(); !all || !slices.Equal(*handled, []int{0, 1, 2, 3}) {
		t.Errorf("%v were handled; all: %v", *handled, all)
	}
}

// The loop handles the next task if the last one took long, or if there is no other slot.
func TestQueueInLoop(t *testing.T) {
	for _, slots := range []int{1, 2} {
		q, tasks, handled := queued(slots, 3, 1)
		q.slow = slots > 1
		q.finish(tasks[1])
		q.finish(tasks[0])
		if len(*handled) > 0 || len(q.wake) == 0 {
			t.Errorf("slots: %d: %v were handled in one", slots, *handled)
		}
		q.end()
		if all := q.loop(); all || !slices.Equal(*handled, []int{0, 1}) {
			t.Errorf("slots: %d: %v were handled; all: %v", slots, *handled, all)
		}
	}
}

// Results are handled one at a time, in the order of the jobs, whoever handles them.
func TestOneAtATime(t *testing.T) {
	noLeaks(t)
	const jobs = 200
	var busy atomic.Bool
	next := 0
	o := shell("echo $N")
	o.Jobs = 4
	err := Run(t.Context(), o, in(t.TempDir(), jobs), func(res Result) bool {
		if !busy.CompareAndSwap(false, true) {
			t.Error("two results are handled at a time")
		}
		defer busy.Store(false)
		var out strings.Builder
		res.Output.WriteTo(&out)
		if out.String() != strconv.Itoa(next)+"\n" || res.Err != nil {
			t.Errorf("result %d: %q, %v", next, out.String(), res.Err)
		}
		next++
		return true
	})
	if err != nil || next != jobs {
		t.Errorf("%d results, %v", next, err)
	}
}

// Run ends early without an error, or with the cause of its context.
func TestEnds(t *testing.T) {
	noLeaks(t)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	for _, more := range []bool{false, true} {
		n := 0
		err := Run(ctx, shell("true"), in(t.TempDir(), 100), func(Result) bool {
			if n++; n == 3 && more {
				cancel(why)
			}
			return n < 3 || more
		})
		if want := map[bool]error{true: why}[more]; n < 3 || n > 3 && !more || !errors.Is(err, want) {
			t.Errorf("more: %v: %d results, %v, want %v", more, n, err, want)
		}
	}
}
