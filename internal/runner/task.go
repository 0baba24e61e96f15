package runner

// task is a job on its way from the sequence through a slot to the loop.
type task struct {
	job    Job
	done   chan struct{} // closed by the slot when the fields below are set
	result Result
	cut    error // not nil: the job was cut short because the run is over
}

func (r *run) newTask(number int, job Job) *task {
	t := &task{job: job, done: make(chan struct{}),
		result: Result{number: number, Tag: job.Tag, Output: &Output{dir: r.Spill}}}
	if r.Log {
		t.result.Log = &Output{dir: r.Spill}
	}
	return t
}

// forget frees the output that was captured.
func (t *task) forget() {
	t.result.Output.close()
	if t.result.Log != nil {
		t.result.Log.close()
	}
	t.result.Tail = nil
}
