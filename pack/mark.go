package pack

import (
	"io"
)

// Mark is where a Writer stands between two samples: what another Writer needs to go on from there, in another process.
type Mark struct {
	Summary
	Row     int    `json:"row"`    // the shard's rows before it have been dealt with
	Copied  int64  `json:"copied"` // end of the last bytes of the shard that were copied as they lie there; 0: none were
	LastKey []byte `json:"last_key"`
	Intact  bool   `json:"intact"`
}

// Mark returns where the Writer stands. All that was packed has been written then.
func (w *Writer) Mark() (Mark, error) {
	err := w.Flush()
	if out, ok := w.out.(buffered); ok && err == nil {
		err = out.Flush()
	}
	return Mark{w.sum, w.row, w.to, []byte(w.lastKey), w.intact}, err
}

// Resume returns a Writer that goes on at a mark of one with the same options. Out has been given the bytes that were written
// before it, and b is the shard of the sample before it.
func Resume(out io.Writer, o Options, b Base, m Mark) *Writer {
	w := NewWriter(out, o)
	w.sum, w.base, w.row, w.lastKey, w.intact = m.Summary, b, m.Row, string(m.LastKey), m.Intact
	if m.Copied > 0 {
		w.plain, w.from, w.to = b.Plain, m.Copied, m.Copied
	}
	return w
}
