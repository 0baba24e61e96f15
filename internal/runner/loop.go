package runner

import (
	"context"
	"iter"
	"sync"
)

// runAll is Run, when its files are open.
func (r *run) runAll(ctx context.Context, jobs iter.Seq[Job], handle func(Result) (more bool)) (cut error) {
	running, cancel := context.WithCancel(ctx)
	window := make(chan struct{}, windowPerSlot*r.Jobs) // has an element for each job that is pulled and not handled
	marks := make(chan struct{}, maxMarks)              // the same of marks
	work := make(chan *task, cap(window))
	order := newQueue(r.Jobs, func(t *task) (more bool) {
		more, cut = t.cut == nil && handle(t.result), t.cut
		t.forget()
		if t.isMark() {
			<-marks
		} else {
			r.disk.settle()
			<-window
		}
		return more
	})
	var group sync.WaitGroup
	defer func() {
		cancel()
		group.Wait()
		for _, t := range order.tasks {
			t.forget()
		}
	}()
	for range r.Jobs {
		group.Go(func() {
			s := slot{run: r, buf: make([]byte, 64<<10)} // a pipe's capacity
			for t := range work {
				s.do(running, t)
				order.finish(t)
			}
			if s.worker != nil {
				s.endWorker(context.WithoutCancel(ctx)) // it has nothing to do, and time to end
			}
		})
	}
	group.Go(func() {
		defer close(work)
		defer order.end()
		r.pull(running, jobs, window, marks, work, order)
	})
	if all := order.loop(); !all {
		return cut
	}
	group.Wait() // for workers that are ending
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return r.ended.get()
}

// pull hands the jobs to the slots and, in order, to the queue. It pulls one only if there is room for it in the window, or
// for a mark among the marks.
func (r *run) pull(
	ctx context.Context, jobs iter.Seq[Job], window, marks chan<- struct{}, work chan<- *task, order *queue,
) {
	number := 0
	window <- struct{}{}
	for job := range jobs {
		t := r.newTask(number, job)
		if t.isMark() {
			select {
			case marks <- struct{}{}:
				order.add(t)
			case <-ctx.Done():
			}
		} else {
			order.add(t)
			work <- t
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
