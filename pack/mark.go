package pack

import (
	"io"
)

// Mark is where a Writer stands between two samples: what another Writer needs to go on from there, in another process.
type Mark struct {
	Summary
	Row     int    `json:"row"`
	LastKey []byte `json:"last_key"`
	Intact  bool   `json:"intact"`
}

// Mark returns where the Writer stands. All that was packed has been written then.
func (w *Writer) Mark() (Mark, error) {
	err := w.Flush()
	return Mark{w.sum, w.row, []byte(w.lastKey), w.intact}, err
}

// Resume returns a Writer that goes on at a mark of one with the same options. Out has been given the bytes that were written
// before it, and b is the shard of the sample before it.
func Resume(out io.Writer, o Options, b Base, m Mark) *Writer {
	w := NewWriter(out, o)
	w.sum, w.base, w.row, w.lastKey, w.intact, w.plain = m.Summary, b, m.Row, string(m.LastKey), m.Intact, b.Plain
	return w
}
