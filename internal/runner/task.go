package runner

// task is a job from the sequence until it is handled.
type task struct {
	job    Job
	done   bool // the fields below are set; guarded by the queue
	result Result
	cut    error // if not nil, the job was interrupted because the run is over
}

func (r *run) newTask(number int, job Job) *task {
	t := &task{job: job,
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

// isMark reports whether the job is only a mark.
func (t *task) isMark() bool { return t.job.Prepare == nil }
