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
)

// member is what two readers of a tar have to agree on: a regular file, neither a link to one nor a sparse one.
type member struct {
	name    string
	size    int64
	mtime   int64
	mode    uint16
	content string
}

func (m member) String() string {
	return fmt.Sprintf("%q %d bytes %v %o", m.name, m.size, time.Unix(0, m.mtime).UTC(), m.mode)
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
			content := string(plain[e.Data : e.Data+e.Size])
			members = append(members, member{string(e.Name), e.Size, e.ModTime, e.Mode, content})
		}
	}
}

// scanAll is scan with a reader that can seek and with some that cannot, which must come to the same result.
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
		var content strings.Builder
		sparse := h.Typeflag == tar.TypeGNUSparse
		for key := range h.PAXRecords {
			sparse = sparse || strings.HasPrefix(key, "GNU.sparse.")
		}
		if sparse {
			continue // its content can be gigabytes of nothing
		}
		if _, err := io.Copy(&content, r); err != nil {
			return members, err
		}
		if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeCont {
			mtime := clampTime(h.ModTime.Unix(), int64(h.ModTime.Nanosecond()))
			members = append(members, member{h.Name, h.Size, mtime, uint16(h.Mode & 0o7777), content.String()})
		}
	}
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

// Every tar that archive/tar is tested with is read as archive/tar reads it, but for those that are named here.
func TestScannerLikeArchiveTar(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Skipf("SKIPPED: go env GOROOT: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "src/archive/tar/testdata")
	files, _ := filepath.Glob(filepath.Join(dir, "*.tar*"))
	if len(files) == 0 {
		t.Skipf("SKIPPED: no tars in %s", dir)
	}
	// What archive/tar takes for a whole tar because its bytes end where a member does.
	unended := []string{
		"gnu-incremental.tar", "gnu-multi-hdrs.tar", "nil-uid.tar", "pax-multi-hdrs.tar", "pax-path-hdr.tar",
		"pax-pos-size-file.tar", "ustar-file-reg.tar",
	}
	// pax-bad-mtime-file.tar has both faults: archive/tar refuses it for the time, and we for the end.
	differ := map[string]string{
		"gnu-sparse-many-zeros.tar.bz2": "a sparse file's map is not read, so it may be of any length",
		"pax-nul-xattrs.tar":            "extended attributes are not read",
		"invalid-go17.tar":              "Go before 1.8 wrote names over 100 bytes wrongly, for files over 8 GiB; no other reader mends that",
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			plain := readTestdata(t, file)
			want, wantErr := theirs(plain)
			got, err := scanAll(t, plain)
			if slices.Contains(unended, name) {
				if !errors.Is(err, ErrTruncated) || wantErr != nil || !slices.Equal(got, want) {
					t.Errorf("%v, %v, want %v and the same members as archive/tar: %v, %v", got, err, ErrTruncated, want, wantErr)
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

// readTestdata returns the tar in a file that may be encoded.
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
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
