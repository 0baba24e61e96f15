package runner

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
