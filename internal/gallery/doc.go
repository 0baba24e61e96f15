// Package gallery serves samples to a browser: a page, and what it asks for.
//
// A [Gallery] is an HTTP handler over the samples of shards, mounts and directories, which it numbers in their order. It
// changes nothing. Samples are found by the index of their shard; of each sample nothing is kept in memory but what
// recent requests have asked for. Sources are opened in the background; a number always stands for the same sample, as
// those of a source count only when all before it are known to the end.
//
// # Security
//
// Names and contents of samples are not trusted, nor are other pages in the same browser, and other users of the
// machine can connect:
//
//   - every path begins with a token, which nobody can guess;
//   - a request must name this host, which ends attacks by names that change their address, and must come from the page
//     itself or be the user's own step to it;
//   - only GET and HEAD are answered, requests have no body, and all parameters are numbers, words of a list, or text that
//     is looked for: none becomes a path;
//   - content is sent with a type from a short list that has nothing that runs, in a sandbox, and is never guessed at;
//   - the page may load nothing but what is below the token.
//
// Each answer has limits of time and size, and what a client no longer waits for ends: contexts of requests reach the
// reads of shards.
package gallery
