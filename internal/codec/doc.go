// Package codec reads and writes the compressed bytes of a shard.
//
// A shard is a stream of plain bytes, a tar, in some compressed Format. Compressed bytes can only be decoded from the
// front, so one pass over them makes a Map: checkpoints, places where a decoder can start again, and sums of the plain bytes
// between them. With it, any plain byte costs at most one checkpoint distance of decoding. Reader is that pass, ReaderAt
// the random access. gzipWriter and zstdWriter write what every tool reads as one stream and what says of itself where its
// checkpoints are, so that it needs no pass; ReadMap finds that.
//
// What is read is verified, in a pass as far as the format allows it, and at random by the sums of the map. Truncated input
// is io.ErrUnexpectedEOF, damaged input is ErrDamaged, and both say where. Memory never depends on what the input claims
// about itself.
//
// The parts of a pass: a decoder offers places (gzip.go, zstd.go, …), placement chooses among them, mapper sums up the plain
// bytes and keeps the windows that checkpoints of gzip need (window.go). The parts of random access: cursors and the pieces
// that they decode (readerat.go), the cache of pieces, and cursors that work in advance (readahead.go).
package codec
