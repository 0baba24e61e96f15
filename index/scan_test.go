package index

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// member is a regular file, on which two readers of a tar must agree.
type member struct {
	name    string
	size    int64
	mtime   time.Time
	mode    uint16
	content string // empty if it is too long
}

// maxContent limits the content that is compared: a sparse member can have gigabytes of zeros.
const maxContent = 8 << 20

func (m member) String() string {
	return fmt.Sprintf("%q %d bytes %v %o", m.name, m.size, m.mtime, m.mode)
}

// scan returns the regular members that a Scanner finds in a tar.
func scan(r io.Reader, plain []byte) (members []member, err error) {
	s := NewScanner(r)
	for {
		e, err := s.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil {
			return members, err
		}
		if e.Regular {
			content, err := contentOf(plain, e)
			if err != nil {
				return members, err
			}
			members = append(members, member{string(e.Name), e.Size, e.ModTime.UTC(), e.Mode, content})
		}
	}
}

// contentOf returns the content of an entry of a tar, holes included.
func contentOf(plain []byte, e *Entry) (string, error) {
	switch {
	case e.Sparse == nil:
		return string(plain[e.Data : e.Data+e.Size]), nil
	case e.Size > maxContent:
		return "", nil
	}
	content := make([]byte, e.Size)
	_, err := newSparseReader(bytes.NewReader(plain), e.Data, e.Sparse, e.Size).ReadAt(content, 0)
	return string(content), err
}

// scanAll is scan with a reader that can seek and with some that cannot, which must give the same result.
func scanAll(t *testing.T, plain []byte) ([]member, error) {
	t.Helper()
	members, err := scan(bytes.NewReader(plain), plain)
	for i, r := range readers(plain) {
		if i > 0 && len(plain) > 1<<20 {
			break // small reads of much take long
		}
		if read, readErr := scan(r, plain); !slices.Equal(members, read) || fmt.Sprint(err) != fmt.Sprint(readErr) {
			t.Fatalf("seeking: %v, %v; reading: %v, %v", members, err, read, readErr)
		}
	}
	return members, err
}

// theirs returns the regular members that archive/tar finds.
func theirs(plain []byte) (members []member, err error) {
	r := tar.NewReader(bytes.NewReader(plain))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil {
			return members, err
		}
		if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeCont && h.Typeflag != tar.TypeGNUSparse ||
			unknownSparse(h) {
			continue
		}
		var content strings.Builder
		if h.Size <= maxContent || !isSparse(h) {
			if _, err := io.Copy(&content, r); err != nil {
				return members, err
			}
		}
		members = append(members, member{h.Name, h.Size, h.ModTime.UTC(), uint16(h.Mode & 0o7777), content.String()})
	}
}

// isSparse reports whether archive/tar may have found holes in a member.
func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, sparsePrefix) {
			return true
		}
	}
	return h.Typeflag == tar.TypeGNUSparse
}

// unknownSparse reports whether a member is marked as sparse in a format that neither archive/tar nor a Scanner
// supports.
func unknownSparse(h *tar.Header) bool {
	p := paxSparse{major: h.PAXRecords["GNU.sparse.major"], minor: h.PAXRecords["GNU.sparse.minor"],
		list: []byte(h.PAXRecords["GNU.sparse.map"])}
	return isSparse(h) && h.Typeflag != tar.TypeGNUSparse && !p.listed() && !p.inFront()
}

// checkSame checks that a tar is read as archive/tar reads it, and returns how many members that are.
func checkSame(t *testing.T, plain []byte) int {
	t.Helper()
	want, err := theirs(plain)
	if err != nil {
		t.Fatalf("archive/tar: %v", err)
	}
	got, err := scanAll(t, plain)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("members: %v, want %v", got, want)
	}
	return len(got)
}

// Every test file of archive/tar is read as archive/tar reads it, except those listed here.
func TestScannerLikeArchiveTar(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		skip.Without(t, "the go command: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "src/archive/tar/testdata")
	files, _ := filepath.Glob(filepath.Join(dir, "*.tar*"))
	if len(files) == 0 {
		skip.Without(t, "the tars in %s", dir)
	}
	// Files that archive/tar accepts as whole tars because they end where a member ends.
	unended := []string{
		"gnu-incremental.tar", "gnu-multi-hdrs.tar", "nil-uid.tar", "pax-multi-hdrs.tar", "pax-path-hdr.tar",
		"pax-pos-size-file.tar", "ustar-file-reg.tar",
	}
	// pax-bad-mtime-file.tar has two faults: archive/tar refuses it for the time, and a Scanner for the end.
	differ := map[string]string{
		"pax-nul-xattrs.tar": "extended attributes are not read",
		"invalid-go17.tar":   "Go before 1.8 wrote such names wrongly in files over 8 GiB; no other reader mends that",
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			plain := readTestdata(t, file)
			want, wantErr := theirs(plain)
			got, err := scanAll(t, plain)
			if slices.Contains(unended, name) {
				if !errors.Is(err, ErrTruncated) || wantErr != nil || !slices.Equal(got, want) {
					t.Errorf("%v, %v, want %v and the same members as archive/tar: %v, %v", got, err, ErrTruncated,
						want, wantErr)
				}
				return
			}
			same := (err == nil) == (wantErr == nil) && (err != nil || slices.Equal(got, want))
			if reason := differ[name]; same != (reason == "") {
				t.Errorf("%v, %v, archive/tar has %v, %v; known reason to differ: %q", got, err, want, wantErr, reason)
			}
		})
	}
}

// Every cut of a shard, in a member or between two, is detected.
func TestEveryCutIsNoticed(t *testing.T) {
	plain := twentyMembers()
	if err := scanError(bytes.NewReader(plain)); err != nil {
		t.Fatal(err)
	}
	refused := 0
	for at := range cuts {
		for _, r := range []io.Reader{bytes.NewReader(plain[:at]), io.MultiReader(bytes.NewReader(plain[:at]))} {
			err := scanError(r)
			if at < BlockSize && !errors.Is(err, ErrNotTar) || at >= BlockSize && !errors.Is(err, ErrTruncated) {
				t.Errorf("cut at byte %d: %v", at, err)
			}
		}
		if _, err := Build(bytes.NewReader(plain[:at]), BuildOptions{Concurrent: true}); err != nil {
			refused++
		}
	}
	if refused != 74 {
		t.Errorf("%d of 74 cuts are noticed", refused)
	}
}

// twentyMembers returns a tar of 20 members in 48 blocks and two that mark its end.
func twentyMembers() []byte {
	var plain []byte
	for i := range 20 {
		content := strings.Repeat("x", 300)
		if i%5 < 2 {
			content += content
		}
		plain = append(plain, rawMember(typeRegular, fmt.Sprintf("%02d.txt", i), content)...)
	}
	return append(plain, make([]byte, 2*BlockSize)...)
}

// cuts yields where twentyMembers is cut: at 49 places between blocks and at 25 inside one.
func cuts(yield func(at int) bool) {
	for block := range 49 {
		if !yield((block + 1) * BlockSize) {
			return
		}
	}
	for block := range 25 {
		if !yield(2*block*BlockSize + 200) {
			return
		}
	}
}

// scanError reads a whole tar and returns what is wrong with it.
func scanError(r io.Reader) error {
	s := NewScanner(r)
	for {
		if _, err := s.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// readTestdata returns the tar in a file that may be encoded, at most 2 MiB of it: longer ones have a sparse map that
// both readers refuse before that.
func readTestdata(t *testing.T, file string) []byte {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	switch filepath.Ext(file) {
	case ".base64":
		r = base64.NewDecoder(base64.StdEncoding, f)
	case ".bz2":
		r = bzip2.NewReader(f)
	}
	plain, err := io.ReadAll(io.LimitReader(r, 2<<20))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// BenchmarkScanner reads the headers of a million members of a few bytes.
func BenchmarkScanner(b *testing.B) {
	const members = 1_000_000
	member := rawMember(typeRegular, "n03788365_17158.cls", "42")
	some := bytes.Repeat(member, 1000)
	b.Run("tiny", func(b *testing.B) {
		b.SetBytes(int64(members * len(member)))
		for b.Loop() {
			var parts []io.Reader
			for range members / 1000 {
				parts = append(parts, bytes.NewReader(some))
			}
			parts = append(parts, bytes.NewReader(make([]byte, 2*BlockSize)))
			if err := scanError(io.MultiReader(parts...)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The type of an entry is the type as which it is read.
func TestScannerTypes(t *testing.T) {
	s := NewScanner(bytes.NewReader(makeTar(t, "*", "a.x", "d/", "s->", "h=>", "f|", "c#")))
	for _, want := range []byte{tar.TypeXGlobalHeader, tar.TypeReg, tar.TypeDir, tar.TypeSymlink, tar.TypeLink,
		tar.TypeFifo, tar.TypeChar} {
		if e, err := s.Next(); err != nil || e.Type != want {
			t.Fatalf("%+v, %v, want type %q", e, err, want)
		}
	}
}

// Bytes after the end marker can be read, however many, and with any reader.
func TestScannerRest(t *testing.T) {
	plain := makeTar(t, "a.x", "b.x")
	for _, rest := range []string{"", "x", strings.Repeat("rest", maxChunk)} {
		shard := append(slices.Clone(plain), rest...)
		for i, r := range append(readers(shard), bytes.NewReader(shard)) {
			s := NewScanner(r)
			for {
				if _, err := s.Next(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if got, err := io.ReadAll(s.Rest()); string(got) != rest || err != nil {
				t.Errorf("reader %d: %d bytes, %v, want %d", i, len(got), err, len(rest))
			}
		}
	}
}

// Headers are the bytes of a shard from an entry's header to its data.
func TestScannerHeadersKept(t *testing.T) {
	dangling := pax("path=lost")
	plain := makeTar(t, "a.x", "d/", strings.Repeat("long/", 60)+"name.x")
	plain = slices.Concat(plain[:len(plain)-2*BlockSize], paxSparse10(9, 515, "2\n2\n2\n6\n1\n", "abc"), dangling,
		make([]byte, 2*BlockSize))
	s := NewScanner(bytes.NewReader(plain))
	s.KeepHeaders()
	for {
		e, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(s.Headers(), plain[e.Header:e.Data]) {
			t.Errorf("%s: %d bytes, want %d", e.Name, len(s.Headers()), e.Data-e.Header)
		}
	}
	if !bytes.Equal(s.Headers(), dangling) {
		t.Errorf("%d bytes without a member, want %d", len(s.Headers()), len(dangling))
	}
}

// The content of members can be read, wholly, in part or not at all, while a tar is scanned.
func TestScannerContents(t *testing.T) {
	var parts []byte
	want := make(map[string]string)
	for i, size := range []int{0, 1, 511, 512, 513, 5000, 300_000, 7} {
		name := fmt.Sprintf("%d.x", i)
		want[name] = strings.Repeat(fmt.Sprint(i), size)
		parts = append(parts, rawMember(typeRegular, name, want[name])...)
	}
	plain := append(parts, make([]byte, 2*BlockSize)...)
	for _, limit := range []int{0, 100, 1 << 20} {
		for _, r := range []io.Reader{bytes.NewReader(plain), struct{ io.Reader }{bytes.NewReader(plain)}} {
			s := NewScanner(r)
			seen := 0
			s.Contents(func(e *Entry, r io.Reader) {
				seen++
				b, err := io.ReadAll(io.LimitReader(r, int64(limit)))
				if all := want[string(e.Name)]; err != nil || string(b) != all[:min(limit, len(all))] {
					t.Errorf("%s, %d bytes of it: %d bytes, %v", e.Name, limit, len(b), err)
				}
			})
			for range want {
				if e, err := s.Next(); err != nil || e.Size != int64(len(want[string(e.Name)])) {
					t.Fatalf("%v, %v", e, err)
				}
			}
			if _, err := s.Next(); err != io.EOF || seen != len(want) {
				t.Errorf("%v after %d members", err, seen)
			}
		}
	}
}
