// Package index says where the samples of a shard lie.
//
// A shard is a tar stream; a sample is a run of consecutive members whose names agree up to the first dot of the base
// name. [Scanner] reads the headers, [Builder] groups them, and [Index] keeps the result as columns of numbers, in tar
// order and never sorted: pack relies on it. An Index also knows the view, that is, the directories and file names under
// which the samples are shown; each of them stands for exactly one sample or member.
//
// The package reads no network, no flags and no clock. An Index is immutable and safe for concurrent use.
package index
