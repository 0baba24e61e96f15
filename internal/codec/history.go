package codec

// history keeps the last bytes of a stream, from some offset on.
type history struct {
	buf  []byte
	base int64 // offset in the stream of buf[0]
	from int64 // offset of the first byte that is still needed
}

// end returns the offset after the last byte.
func (h *history) end() int64 { return h.base + int64(len(h.buf)) }

// write appends p.
func (h *history) write(p []byte) {
	if len(h.buf)+len(p) > cap(h.buf) {
		kept := h.buf[h.from-h.base:]
		buf := h.buf[:0]
		if need := len(kept) + len(p); need > cap(buf)/2 { // so that n bytes are moved at most once in n new bytes
			buf = make([]byte, 0, max(4*need, 256<<10))
		}
		h.buf = append(buf, kept...)
		h.base = h.from
	}
	h.buf = append(h.buf, p...)
}

// drop releases the bytes before an offset.
func (h *history) drop(before int64) {
	if before > h.from {
		h.from = min(before, h.end())
	}
}

// slice returns the bytes from one offset to another; they must not have been dropped, and are valid until the next
// write.
func (h *history) slice(from, to int64) []byte { return h.buf[from-h.base : to-h.base] }
