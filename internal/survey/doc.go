// Package survey describes samples in numbers.
//
// A [Survey] counts what its samples have: members by extension, sizes, classes, pictures, texts, fields of JSON, and
// findings of package lint. Surveys of shards can be merged, and are the same in any order of merging, except for values
// beyond the limits of a [Tally]. What is kept does not grow with the number of samples: of sizes a [Distribution], of
// values a Tally. A Survey has one form as JSON, which can be read again.
package survey
