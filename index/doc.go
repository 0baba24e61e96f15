// Package index finds and stores where the samples of a shard are.
//
// A shard is a tar stream; a sample is a run of consecutive members whose names agree up to the first dot of the base
// name. [Scanner] reads the headers, [Builder] groups them, and [Index] keeps the result as columns of numbers, in tar
// order and never sorted: pack relies on it. An Index also determines the view: the directories and file names under
// which samples are shown. Each name stands for exactly one sample or member.
//
// The package is pure: it reads no files, no network, no flags and no clock. An Index is immutable and safe for
// concurrent use.
//
// # Index files
//
// A [File] is an index with the checkpoints of its shard, as stored beside the shard or in a cache. Each version of the
// format reads only its own files, because an index is cheap to rebuild:
//
//	1  Columns of numbers of fixed width, in the byte order of the machine, under one checksum of the whole file.
//	   The magic is at the front only. Checkpoints of gzip.
//	2  Columns packed in groups, always little-endian; a checksum for each page, so that a file is mapped and not
//	   read; the magic at the end, too. Adds the origin's probe, checkpoints of every compression with checksums of
//	   the bytes between them, and the maps of sparse members. Later three columns were added, only to files of
//	   shards with times before 1678 or after 2262: programs that do not know them rebuild such an index. Later the
//	   JSON got the order of directories; without it, names are read to find it.
//
// A change that older programs would misread needs a new version. A new optional field of the JSON does not.
package index
