package index

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// corpus is a collection of odd and hostile tars, with what four readers make of each. It is no part of the repository.
const corpus = "../../shared/corpus"

// corpusFile is one tar of the corpus.
type corpusFile struct {
	File    string
	Layers  [][]any  // of compression
	Agree   int      // how many of the four readers agree on the regular members
	Accept  []string // which of them read it without an error
	Regular int      // how many regular members that are
	Digest  string   // of these members' names and contents
}

// Where most readers agree and we have other members, and why.
var corpusExceptions = map[string]string{
	"libarchive__test_read_format_tar_timestamp_overflow.tar": "NULs before a number are passed over, as archive/tar does; the others take it for 0",

	// Sparse files are carried along and not shown.
	"cpython2.7__testtar.tar":                                   "1 sparse file of 20",
	"cpython3.10__testtar.tar":                                  "4 sparse files of 26",
	"go__gnu-nil-sparse-data.tar":                               "1 sparse file of 1",
	"go__gnu-nil-sparse-hole.tar":                               "1 sparse file of 1",
	"go__pax-nil-sparse-data.tar":                               "1 sparse file of 1",
	"go__sparse-formats.tar":                                    "4 sparse files of 5",
	"libarchive__test_read_format_gtar_sparse_1_13.tar":         "1 sparse file of 2",
	"libarchive__test_read_format_gtar_sparse_1_17.tar":         "1 sparse file of 2",
	"libarchive__test_read_format_gtar_sparse_1_17_posix00.tar": "1 sparse file of 2",
	"libarchive__test_read_format_gtar_sparse_1_17_posix01.tar": "1 sparse file of 2",
	"libarchive__test_read_format_gtar_sparse_1_17_posix10.tar": "1 sparse file of 2",
	"libarchive__test_read_format_gtar_sparse_reuse.tar":        "1 sparse file of 1",
	"tar-rs__sparse-1.tar":                                      "1 sparse file of 1",
	"tar-rs__sparse.tar":                                        "4 sparse files of 4",
}

func TestCorpus(t *testing.T) {
	list, err := os.Open(filepath.Join(corpus, "expect.jsonl"))
	if err != nil {
		t.Skipf("SKIPPED: the corpus of odd tars is missing: %v", err)
	}
	defer list.Close()
	lines := bufio.NewScanner(list)
	lines.Buffer(nil, 1<<20)
	files, bar, whole, refused := 0, 0, 0, 0
	for lines.Scan() {
		var f corpusFile
		if err := json.Unmarshal(lines.Bytes(), &f); err != nil {
			t.Fatal(err)
		}
		plain, err := os.ReadFile(filepath.Join(corpus, "files", f.File))
		if err != nil {
			t.Fatal(err)
		}
		files++
		start := time.Now()
		x, buildErr := Build(bytes.NewReader(plain))
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s takes %v", f.File, took)
		}
		if x != nil {
			checkOffsets(t, x, int64(len(plain)))
			checkView(t, x)
		}
		members, err := scanAll(t, plain)
		if (err == nil) != (buildErr == nil) {
			t.Errorf("%s: Build: %v, Scanner: %v", f.File, buildErr, err)
		}
		if f.Agree < 3 || f.Regular == 0 || len(f.Layers) > 0 {
			continue
		}
		bar++
		reason, excepted := corpusExceptions[f.File]
		same := digest(members) == f.Digest
		switch {
		case same == excepted:
			t.Errorf("%s: agrees with most readers: %v, known reason not to: %q; error %v, %d members, want %d, read by %v",
				f.File, same, reason, err, len(members), f.Regular, f.Accept)
		case same && err == nil:
			whole++
		case same && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrDamaged):
			t.Errorf("%s: %v", f.File, err)
		case same:
			refused++ // it has no end marker, or something else where that should be
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files; of %d that most readers agree on, %d are read the same, %d too and then refused, %d not",
		files, bar, whole, refused, bar-whole-refused)
}

// digest sums up members as the corpus does.
func digest(members []member) string {
	all := sha256.New()
	for _, m := range members {
		fmt.Fprintf(all, "%s %x\n", hex.EncodeToString([]byte(strings.TrimSuffix(m.name, "/"))), sha256.Sum256([]byte(m.content)))
	}
	return hex.EncodeToString(all.Sum(nil))
}
