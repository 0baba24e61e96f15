package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/corpus"
)

// Tars that most readers agree on but that shardfs considers damaged after the members that all find, and why.
var corpusDamaged = map[string]string{
	"libarchive__test_compat_plexus_archiver_tar.tar":        "one block of zeros, and then not another one",
	"libarchive__test_read_format_tar_acl_oob_read.tar":      "a header whose PAX records are none",
	"gofuzz__0e12493540d6359b2369acebf401a0e24e3f551f-1.tar": "one block of zeros, and then not another one",
	"gofuzz__31aa15820bf282f98d968500e5954e7be0755cea-1.tar": "neither a header nor an end marker",
	"gofuzz__7b4048f004eba054a4fe59fbf247a15a711f0641-1.tar": "neither a header nor an end marker",
	"gofuzz__925cf75bc2b6eb757ac9b555006274dc4a57c375-2.tar": "neither a header nor an end marker",
}

// shardfs finds the same members as most readers in every tar on which they agree. It refuses such a tar only if it
// lacks the end of a whole shard. Reading all other files does no harm.
func TestCorpus(t *testing.T) {
	files, bar, whole := 0, 0, 0
	for _, f := range corpus.Archives(t) {
		plain := f.Content
		files++
		var x *Index
		var buildErr error
		checkCost(t, f.Name, func() { x, buildErr = Build(bytes.NewReader(plain), BuildOptions{Concurrent: true}) })
		switch outcome(buildErr) {
		case corpus.Whole, corpus.NotTar, corpus.Truncated, corpus.Damaged:
		default:
			t.Errorf("%s: %v", f.Name, buildErr)
		}
		if x != nil {
			checkRows(t, x, plain)
			checkView(t, x)
		}
		members, err := scanAll(t, plain)
		if (err == nil) != (buildErr == nil) {
			t.Errorf("%s: Build: %v, Scanner: %v", f.Name, buildErr, err)
		}
		if f.Ours && f.Plain() && (outcome(err) != f.Want || digest(members) != f.Digest) {
			t.Errorf("%s: %d members, %v, want %d members, %q", f.Name, len(members), err, f.Regular, f.Want)
		}
		if f.Agree >= 3 && f.Regular == 0 && err == nil && digest(members) != f.Digest {
			t.Errorf("%s: %v; most readers have no members", f.Name, members)
		}
		if f.Agree < 3 || f.Regular == 0 || len(f.Layers) > 0 {
			continue
		}
		bar++
		if digest(members) != f.Digest {
			t.Errorf("%s: %d members, %v; most readers have %d others", f.Name, len(members), err, f.Regular)
		}
		if err == nil {
			whole++
		}
		if f.Ours {
			continue
		}
		if reason := corpusDamaged[f.Name]; errors.Is(err, ErrDamaged) != (reason != "") {
			t.Errorf("%s: %v, known damage: %q", f.Name, err, reason)
		}
		if errors.Is(err, ErrTruncated) && hasEnd(plain) {
			t.Errorf("%s: %v, though it has its end marker", f.Name, err)
		}
	}
	t.Logf("%d files; of %d plain tars that most readers agree on all have the same members, %d of them an end marker",
		files, bar, whole)
}

// outcome returns the value of corpus.Archive.Want for an error.
func outcome(err error) string {
	switch {
	case err == nil:
		return corpus.Whole
	case errors.Is(err, ErrNotTar):
		return corpus.NotTar
	case errors.Is(err, ErrTruncated):
		return corpus.Truncated
	case errors.Is(err, ErrDamaged):
		return corpus.Damaged
	}
	return err.Error()
}

// checkRows compares each row of an index with the entry that a Scanner finds in the tar, and the content of samples'
// members.
func checkRows(t *testing.T, x *Index, plain []byte) {
	t.Helper()
	s := NewScanner(bytes.NewReader(plain))
	var end int64
	for row := range x.Rows() {
		e, err := s.Next()
		if err != nil {
			t.Fatalf("row %d: %v", row, err)
		}
		end = e.End
		if m := x.Member(row); m.Header != e.Header || m.Data != e.Data || m.Size != e.Size || m.End != e.End {
			t.Fatalf("row %d is %+v, want %+v", row, m, e)
		}
		if !x.InSample(row) || e.Size > maxContent {
			continue
		}
		want, err := contentOf(plain, e)
		if err != nil {
			t.Fatalf("row %d: %v", row, err)
		}
		r, err := x.Open(row, bytes.NewReader(plain))
		if err != nil {
			t.Fatalf("row %d: %v", row, err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != want {
			t.Fatalf("row %d, %q: %d bytes, %v, want %d others", row, e.Name, len(got), err, len(want))
		}
	}
	if x.Rows() > 0 && x.End() != end {
		t.Fatalf("the index ends at byte %d, its last row at %d", x.End(), end)
	}
}

// hasEnd reports whether there are two blocks of zeros after the last member that a Scanner finds in a tar.
func hasEnd(plain []byte) bool {
	s := NewScanner(bytes.NewReader(plain))
	var end int64
	for {
		e, err := s.Next()
		if err != nil {
			return int64(len(plain))-end >= 2*BlockSize &&
				bytes.Equal(plain[end:end+2*BlockSize], make([]byte, 2*BlockSize))
		}
		end = e.End
	}
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

// digest sums up members as the corpus does, which leaves those out that are too large to have been compared.
func digest(members []member) string {
	all := sha256.New()
	for _, m := range members {
		if m.size <= maxContent {
			name := hex.EncodeToString([]byte(strings.TrimSuffix(m.name, "/")))
			fmt.Fprintf(all, "%s %x\n", name, sha256.Sum256([]byte(m.content)))
		}
	}
	return hex.EncodeToString(all.Sum(nil))
}
