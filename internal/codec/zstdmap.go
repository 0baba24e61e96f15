package codec

import "io"

// beginsOwnZstd implements row.own for Zstd: the first frame states its size, which is at most that of zstdWriter.
func beginsOwnZstd(head []byte) bool {
	h, err := parseZstdHeader(head)
	return err == nil && h.SingleSegment && h.FrameContentSize <= zstdFrameSize
}

// readZstdMap implements row.readMap for Zstd by the table at the end.
func readZstdMap(r io.ReaderAt, size int64) (m Map, extra []byte, ok bool) {
	t, extra, err := readZstdTable(r, size)
	if err != nil {
		return Map{}, nil, false
	}
	return t.newMap(), extra, true
}
