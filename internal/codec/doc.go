// Package codec reads and writes the compressed bytes of a shard.
//
// A shard is a stream of plain bytes, a tar, in some compressed Format. Without further knowledge, compressed bytes can
// be decoded only from the beginning. So one pass over them makes a Map: checkpoints, which are places where a decoder
// can start again, and checksums of the plain bytes between them. With a map, reading any plain byte costs at most one
// checkpoint distance of decoding. Reader makes the pass, ReaderAt uses a map for random access, and Spool gives random
// access to shards without checkpoints.
//
// All reads are verified: in a pass by the checksums of the format, in random access by those of the map. The error is
// io.ErrUnexpectedEOF for truncated input and ErrDamaged for damaged input, with the place. Memory use never depends on
// lengths that the input claims.
//
// All that differs between formats is in one table, in formats.go. In a pass, a decoder (gzip.go, zstd.go, ...) offers
// places, placement chooses among them, and mapper computes the checksums and keeps the windows that checkpoints in
// gzip need (window.go). Package inflate decodes the data of gzip. Where blocks do not need each other, a pass decodes
// several at the same time (bzip2ahead.go, xzahead.go); what it returns is the same for any number. For random access there
// are cursors and the pieces that they decode (readerat.go), a cache of pieces, and cursors that decode ahead (readahead.go).
//
// # Encoders
//
// An Encoder writes one stream that every tool can read, and in which decoding can start at each MiB. In places that
// other readers skip, it also writes the map, so that the shard needs no pass, and the bytes given to SetExtra. ReadMap
// reads both. It ignores unknown versions; the shard then needs a pass, like one from another tool.
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
//   - The notes "SFZSTIDX" have no version: another layout would need another name.
//
// A Map made by a pass is stored in index files, by package index: the numbers of the formats, State and Window of a
// checkpoint, and the size of pieces are part of that format and do not change.
package codec
