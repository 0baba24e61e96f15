package runner

import (
	"context"
	"iter"
)

// task is a job between the sequence and the loop.
type task struct {
	job    Job
	done   chan struct{} // closed by the slot when the fields below are set
	result Result
	cut    error // if not nil, the job was interrupted because the run is over
}

func (r *run) newTask(number int, job Job) *task {
	t := &task{job: job, done: make(chan struct{}),
		result: Result{number: number, Tag: job.Tag, Output: &Output{dir: r.Spill}}}
	if r.Log {
		t.result.Log = &Output{dir: r.Spill}
	}
	return t
}

// forget frees the captured output.
func (t *task) forget() {
	t.result.Output.close()
	if t.result.Log != nil {
		t.result.Log.close()
	}
	t.result.Tail = nil
}

// pull hands the jobs to the slots and, in order, to the loop. It pulls one only if there is room for it in the window;
// marks need none.
func (r *run) pull(ctx context.Context, jobs iter.Seq[Job], window chan<- struct{}, work, order chan<- *task) {
	number := 0
	window <- struct{}{}
	for job := range jobs {
		t := r.newTask(number, job)
		if job.Prepare == nil {
			close(t.done)
			order <- t
		} else {
			work <- t
			order <- t
			number++
			select {
			case window <- struct{}{}:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}
