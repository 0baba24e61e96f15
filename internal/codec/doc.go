// Package codec reads and writes the compressed bytes of a shard.
//
// A shard is a stream of plain bytes, a tar, in some compressed Format. Compressed bytes can be decoded only from the
// first one on. So one pass over them makes a Map: checkpoints, which are places where a decoder can start again, and
// sums of the plain bytes between them. With a map, reading any plain byte costs at most one checkpoint distance of
// decoding. Reader makes the pass, ReaderAt reads at random by a map, Spool makes shards readable that have no
// checkpoints.
//
// What is read is verified: in a pass as far as the format allows, at random by the sums of the map. Truncated input is
// io.ErrUnexpectedEOF, damaged input is ErrDamaged, and both errors say where. Memory never depends on what the input
// claims about itself.
//
// All that differs between formats is in one table, in formats.go. In a pass, a decoder (gzip.go, zstd.go, ...)
// offers places, placement chooses among them, and mapper computes the sums and keeps the windows that checkpoints in
// gzip need (window.go). For random access there are cursors and the pieces that they decode (readerat.go), a cache
// of pieces, and cursors that decode ahead (readahead.go).
//
// # What is written
//
// An Encoder writes what every tool reads as one ordinary stream, and in which decoding can start at each MiB. What is
// only for shardfs is in places that other readers skip, and holds the map, so that the shard needs no pass, and what
// SetExtra was given. ReadMap reads it. A reader ignores versions that it does not know; the shard then needs a pass,
// like one from another tool.
//
// gzip: one member with the data, so that readers that stop after the first member lose nothing. Empty members follow,
// with the map and the extra bytes in their header fields; see seekTable.
//
//   - Version 1 of the table, subfield "SX": lengths and CRC-32 of the segments.
//   - Version 1 of the extra bytes, subfield "SI". Files from before it have only the table and are still read.
//
// zstd: one frame for each MiB. Skippable frames follow, with the CRC-32 of each frame and the extra bytes, and last
// the seek table of zstd's seekable format; see zstdTable.
//
//   - The notes "SFZSTIDX" have no version: another layout would need another name. Files without them, from other
//     tools that write the seek table, are read too.
//
// A Map made by a pass is stored in index files, by package index: the numbers of the formats, State and Window of a
// checkpoint, and the size of pieces are part of that format and do not change.
package codec
