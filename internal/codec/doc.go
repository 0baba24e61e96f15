// Package codec reads and writes the compressed bytes of a shard.
//
// A shard is a stream of plain bytes, a tar, in some compressed Format. Compressed bytes can only be decoded from the
// front, so one pass over them notes checkpoints: places where a decoder can start again, each with the 32 KiB of plain
// bytes that the data behind it may refer to. With these, any plain byte costs at most one checkpoint distance of
// decoding. GzipReader is that pass, GzipReaderAt the random access, and GzipWriter writes gzip that every tool reads as
// one stream and that needs neither the pass nor the 32 KiB.
//
// What is read is verified where the format allows it. Truncated input is io.ErrUnexpectedEOF, damaged input is
// ErrDamaged, and both say at which compressed byte. Memory never depends on what the input claims about itself.
package codec
