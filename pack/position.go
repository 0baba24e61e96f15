package pack

import "io"

// Position is where a Writer stands between two samples: what another Writer, maybe of another process, needs to
// continue there. Its JSON is part of the checkpoints that a run keeps, so its names stay.
type Position struct {
	Summary
	Row     int    `json:"row"`    // rows of the shard before this one have been dealt with
	Copied  int64  `json:"copied"` // end of the last bytes that were copied from the shard unchanged; 0: none were
	LastKey []byte `json:"last_key"`
	Intact  bool   `json:"intact"` // all that was written is the beginning of one shard, unchanged
}

// Position returns where the Writer stands, after it has handed all bytes up to there to the output.
func (w *Writer) Position() (Position, error) {
	err := w.Flush()
	if err == nil {
		err = w.sink.flush()
	}
	return Position{w.Summary(), w.row, w.to, []byte(w.lastKey), w.intact}, err
}

// Resume returns a Writer that continues at a position of another one with the same options. Out has been given the
// bytes that were written before it, and b is the shard of the sample before it.
func Resume(out io.Writer, o Options, b Base, p Position) *Writer {
	w := newWriter(newOutput(out, p.Bytes), o)
	w.sum, w.base, w.row, w.lastKey, w.intact = p.Summary, b, p.Row, string(p.LastKey), p.Intact
	if p.Copied > 0 {
		w.plain, w.from, w.to = b.Plain, p.Copied, p.Copied
	}
	return w
}
