package shard

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/testing/corpus"
)

// Shards that most readers agree on but that shardfs refuses as damaged compressed data, and why.
var corpusDamaged = map[string]string{
	"libarchive__test_compat_lz4_2.tar.lz4": "bytes after the last frame, which lz4 refuses too",
}

// Shards that most readers agree on but whose compression shardfs does not support: compress, lzip or lzma.
var corpusUnread = []string{
	"libarchive__test_compat_lzip_1.tlz",                      // lzip
	"libarchive__test_compat_lzip_2.tlz",                      // lzip
	"libarchive__test_compat_lzip_4.tlz",                      // lzip
	"libarchive__test_compat_lzma_1.tlz",                      // lzma
	"libarchive__test_compat_mac-1.tar.Z",                     // compress
	"libarchive__test_compat_mac-2.tar.Z",                     // compress
	"libarchive__test_compat_solaris_pax_sparse_1.pax.Z",      // compress
	"libarchive__test_compat_solaris_pax_sparse_2.pax.Z",      // compress
	"libarchive__test_compat_uudecode_large.tar.Z",            // compress
	"libarchive__test_extract.tar.Z",                          // compress
	"libarchive__test_extract.tar.lz",                         // lzip
	"libarchive__test_extract.tar.lzma",                       // lzma
	"libarchive__test_option_keep_newer_files.tar.Z",          // compress
	"libarchive__test_option_s.tar.Z",                         // compress
	"libarchive__test_read_format_gtar_filename_cp866.tar.Z",  // compress
	"libarchive__test_read_format_gtar_filename_eucjp.tar.Z",  // compress
	"libarchive__test_read_format_gtar_filename_koi8r.tar.Z",  // compress
	"libarchive__test_read_format_gtar_redundant_L.tar.Z",     // compress
	"libarchive__test_read_format_gtar_sparse_length.tar.Z",   // compress
	"libarchive__test_read_format_tar_filename_koi8r.tar.Z",   // compress
	"libarchive__test_read_format_ustar_filename_cp866.tar.Z", // compress
	"libarchive__test_read_format_ustar_filename_eucjp.tar.Z", // compress
	"libarchive__test_read_format_ustar_filename_koi8r.tar.Z", // compress
}

// shardfs finds the same members as most readers in every shard of the corpus, unless it does not support the
// compression. Opening any other file, with or without success, does no harm.
func TestCorpus(t *testing.T) {
	bar, same := 0, 0
	dir := t.TempDir()
	for _, f := range corpus.Archives(t) {
		name := f.File(t, dir)
		got, err := "", error(nil)
		checkCost(t, f.Name, func() {
			var s *Shard
			if s, err = Open(t.Context(), name, Options{AllowTruncated: true}); err == nil {
				got = digest(s)
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
		if !clean(err) {
			t.Errorf("%s: %v", f.Name, err)
		}
		if f.Ours {
			s, err := Open(t.Context(), name, Options{})
			if err == nil {
				err = s.Close()
			}
			if outcome(err) != f.Want || got != f.Digest &&
				(f.Plain() && f.Want != corpus.NotTar || f.Want == corpus.Whole) {
				t.Errorf("%s: %v, want %q, with all members: %t", f.Name, err, f.Want, got == f.Digest)
			}
			continue
		}
		if f.Agree < 3 || f.Regular == 0 {
			continue
		}
		bar++
		if unread := slices.Contains(corpusUnread, f.Name); unread != errors.Is(err, codec.ErrFormat) {
			t.Errorf("%s: %v, on the list of the unread: %t", f.Name, err, unread)
		} else if unread {
			continue
		}
		if got != f.Digest {
			t.Errorf("%s: %v; most readers have other members", f.Name, err)
			continue
		}
		same++
		s, err := Open(t.Context(), name, Options{})
		if err == nil {
			err = s.Close()
		}
		if reason := corpusDamaged[f.Name]; errors.Is(err, codec.ErrDamaged) != (reason != "") {
			t.Errorf("%s: %v, known damage: %q", f.Name, err, reason)
		}
		if err != nil && !errors.Is(err, index.ErrTruncated) && !errors.Is(err, index.ErrDamaged) &&
			!errors.Is(err, codec.ErrDamaged) {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	t.Logf("of %d shards that most readers agree on, %d have the same members", bar, same)
}

// outcome returns the value of corpus.Archive.Want for an error.
func outcome(err error) string {
	switch {
	case err == nil:
		return corpus.Whole
	case errors.Is(err, index.ErrNotTar):
		return corpus.NotTar
	case errors.Is(err, index.ErrTruncated):
		return corpus.Truncated
	case errors.Is(err, index.ErrDamaged), errors.Is(err, codec.ErrDamaged):
		return corpus.Damaged
	}
	return err.Error()
}

// clean reports whether an error is one of those for bad shards.
func clean(err error) bool {
	for _, known := range []error{nil, index.ErrNotTar, index.ErrTruncated, index.ErrDamaged, codec.ErrDamaged,
		codec.ErrFormat, codec.ErrLimit} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// checkCost checks that f takes at most two seconds of processor time and, all in all, 256 MiB of memory.
func checkCost(t *testing.T, name string, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := processorTime()
	f()
	took := processorTime() - start
	runtime.ReadMemStats(&after)
	if took > 2*time.Second {
		t.Errorf("%s: %v of processor time", name, took)
	}
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 256<<20 {
		t.Errorf("%s: %d bytes allocated", name, allocated)
	}
}

// processorTime returns how long this process has run on a processor.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// digest sums up the regular members of a shard as the corpus does, which leaves out those that were too large to
// compare.
func digest(s *Shard) string {
	const tooLarge = 8 << 20
	all := sha256.New()
	scanner := index.NewScanner(io.NewSectionReader(s.Reader(context.Background()), 0, s.Plain()))
	for row := 0; ; row++ {
		e, err := scanner.Next()
		if err != nil {
			return hex.EncodeToString(all.Sum(nil))
		}
		if !e.Regular || e.Size > tooLarge {
			continue
		}
		file := io.NewSectionReader(s.Reader(context.Background()), e.Data, e.Stored)
		if e.Sparse != nil {
			if file, err = s.Index.Open(row, s.Reader(context.Background())); err != nil {
				return err.Error()
			}
		}
		content := sha256.New()
		if n, err := io.Copy(content, file); err != nil || n < e.Size {
			return fmt.Sprint(n, err)
		}
		fmt.Fprintf(all, "%x %x\n", strings.TrimSuffix(string(e.Name), "/"), content.Sum(nil))
	}
}

// Every cut of a shard, before or after compression, is detected, in a file and in a stream.
func TestEveryCutIsNoticed(t *testing.T) {
	plain := twentyMembers(t)
	packed := compress(t, plain)
	var cuts []int
	for block := range 49 {
		cuts = append(cuts, (block+1)*index.BlockSize)
	}
	for block := range 25 {
		cuts = append(cuts, 2*block*index.BlockSize+200)
	}
	for _, tt := range []struct {
		story string
		cut   func(at int) []byte
	}{
		{"plain", func(at int) []byte { return plain[:at] }},
		{"cut and then gzipped", func(at int) []byte { return compress(t, plain[:at]) }},
		{"gzipped and then cut", func(at int) []byte { return packed[:max(at*len(packed)/len(plain), 1)] }},
	} {
		t.Run(tt.story, func(t *testing.T) {
			if err := openAndStream(t, tt.cut(len(plain))); err != nil {
				t.Fatalf("the whole shard: %v", err)
			}
			for _, at := range cuts {
				err := openAndStream(t, tt.cut(at))
				if !errors.Is(err, index.ErrTruncated) && (at >= index.BlockSize || !errors.Is(err, index.ErrNotTar)) {
					t.Errorf("cut at byte %d: %v", at, err)
				}
			}
		})
	}
}

// openAndStream reads a shard in a file and in a stream, and returns what is wrong with it, which must be wrong in
// both.
func openAndStream(t *testing.T, content []byte) error {
	t.Helper()
	dir := t.TempDir()
	name := filepath.Join(dir, "x.tar")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), name, Options{})
	if err == nil {
		err = s.Close()
	}
	stream, streamErr := NewStream(io.MultiReader(bytes.NewReader(content)), "x.tar", dir)
	if streamErr == nil {
		for _, streamErr = range stream.Samples() {
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	}
	if (err == nil) != (streamErr == nil) ||
		errors.Is(err, index.ErrTruncated) != errors.Is(streamErr, index.ErrTruncated) {
		t.Errorf("as a file: %v; as a stream: %v", err, streamErr)
	}
	return err
}

// twentyMembers returns a tar of 20 members in 48 blocks and two that mark its end.
func twentyMembers(t *testing.T) []byte {
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for i := range 20 {
		content := bytes.Repeat([]byte("x"), 300)
		if i%5 < 2 {
			content = append(content, content...)
		}
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%02d.txt", i), Mode: 0o644,
			Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if plain.Len() != 50*index.BlockSize {
		t.Fatalf("%d bytes", plain.Len())
	}
	return plain.Bytes()
}

func compress(t *testing.T, plain []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}
