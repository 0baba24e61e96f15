package codec

import "io"

// maxZstdHops is the largest number of block headers that are read to find the frames of a shard: enough for at most
// 128 GB of plain bytes, and some seconds of local reads.
const maxZstdHops = 1 << 20

// readZstdMap implements ReadMap for Zstd: by the table at the end, or else from header to header if each frame states
// its size. The latter takes about 8 small reads per MB, which is fast on a local disk, but slower than a pass if each
// read is a request.
func readZstdMap(r io.ReaderAt, size int64) (m Map, extra []byte, ok bool) {
	t, extra, err := readZstdTable(r, size)
	if err != nil {
		if t = hopZstd(r, size); t == nil {
			return Map{}, nil, false
		}
	}
	return t.newMap(), extra, true
}

// hopZstd returns the frames of a shard, or nil if one of them does not state its plain size or the file does not
// consist of complete frames. It rejects sizes that the blocks of a frame cannot have; the decoder verifies the exact
// size.
func hopZstd(r io.ReaderAt, size int64) *zstdTable {
	t := new(zstdTable)
	hops := 0
	for off := int64(0); off < size; {
		if hops++; hops > maxZstdHops {
			return nil
		}
		var buf [zstdHeaderSize]byte
		head := buf[:min(zstdHeaderSize, size-off)]
		if err := readAt(r, head, off); err != nil {
			return nil
		}
		h, err := parseZstdHeader(head)
		if err != nil {
			return nil
		}
		end := off + int64(h.HeaderSize)
		if h.Skippable {
			t.addUnknown(0, int64(h.HeaderSize)+int64(h.SkippableSize))
			off = end + int64(h.SkippableSize)
			continue
		}
		plain := int64(0) // upper limit
		for last := false; !last; {
			if hops++; hops > maxZstdHops {
				return nil
			}
			var head [zstdBlockHeaderSize]byte
			if err := readAt(r, head[:], end); err != nil {
				return nil
			}
			var block int
			if block, last, err = zstdBlock(head[:]); err != nil {
				return nil
			}
			end += int64(block)
			plain += zstdMaxBlock
		}
		if h.HasCheckSum {
			end += 4
		}
		if !h.HasFCS || h.FrameContentSize > uint64(plain) || end > size {
			return nil
		}
		t.addUnknown(int64(h.FrameContentSize), end-off)
		off = end
	}
	if t.Len() == 0 || t.in[t.Len()] != size {
		return nil
	}
	return t
}
