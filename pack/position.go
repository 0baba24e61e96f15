package pack

import "io"

// Position is the state of a Writer between two samples, from which another Writer, possibly in another process, can
// continue. Its JSON is part of the checkpoints of runs, so its names must not change.
type Position struct {
	Summary
	Row     int    `json:"row"`    // rows of the shard before this one are done
	Copied  int64  `json:"copied"` // end of the last unchanged bytes that were copied from the shard; 0 if none
	LastKey []byte `json:"last_key"`
	Intact  bool   `json:"intact"` // the tar so far is the unchanged beginning of one shard

	// Starts are, for each input in order, its number and where its samples begin, if a Writer needs that for Recall.
	Starts [][2]int64 `json:"starts,omitempty"`
}

// Position writes all bytes so far to the output and returns the Writer's position.
func (w *Writer) Position() (Position, error) {
	err := w.Flush()
	if err == nil {
		err = w.sink.flush()
	}
	p := Position{w.Summary(), w.row, w.to, []byte(w.lastKey), w.intact, nil}
	for _, start := range w.starts {
		p.Starts = append(p.Starts, [2]int64{int64(start.input), start.offset})
	}
	return p, err
}

// Resume returns a Writer that continues at a position of another one with the same options. The bytes before that
// position must already be in out, and b is the shard of the last sample before it. The caller must call Recall.
func Resume(out io.Writer, o Options, b Base, p Position) *Writer {
	w := newWriter(newOutput(out, p.Bytes), o)
	w.sum, w.base, w.row, w.lastKey, w.intact = p.Summary, b, p.Row, string(p.LastKey), p.Intact
	if p.Copied > 0 {
		w.plain, w.from, w.to = b.Plain, p.Copied, p.Copied
	}
	return w
}
