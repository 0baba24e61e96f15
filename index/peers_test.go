package index

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/skip"
)

// A tar from any of the common writers, in any of their formats, is read as archive/tar reads it.
func TestScannerReadsOtherWriters(t *testing.T) {
	const python = `import sys, tarfile
with tarfile.open(sys.argv[1], "w", format=getattr(tarfile, sys.argv[2])) as tar:
    for name in sys.argv[3:]:
        tar.add(name)
`
	for _, tt := range []struct {
		command   string // of which OUT is the tar to be written
		longNames bool   // the format can say every name
		sparse    bool   // the sparse files are written with their holes
	}{
		{"tar --format=v7 -cf OUT", false, false},
		{"tar --format=ustar -cf OUT", false, false},
		{"tar --format=oldgnu -cf OUT", true, false},
		{"tar --format=gnu -cf OUT", true, false},
		{"tar --format=posix -cf OUT", true, false},
		{"tar --format=gnu -b1 -cf OUT", true, false},
		{"tar --format=gnu -Scf OUT", true, true},
		{"tar --format=posix -Scf OUT", true, true},
		{"tar --format=posix -S --sparse-version=0.0 -cf OUT", true, true},
		{"tar --format=posix -S --sparse-version=0.1 -cf OUT", true, true},
		{"bsdtar --format=v7 -cf OUT", false, false},
		{"bsdtar --format=ustar -cf OUT", false, false},
		{"bsdtar --format=gnutar -cf OUT", true, false},
		{"bsdtar --format=pax --no-read-sparse -cf OUT", true, false},
		{"bsdtar --format=pax -cf OUT", true, true},
		{"bsdtar --format=paxr --no-read-sparse -cf OUT", true, false},
		{"python3 -c PYTHON OUT USTAR_FORMAT", false, false},
		{"python3 -c PYTHON OUT GNU_FORMAT", true, false},
		{"python3 -c PYTHON OUT PAX_FORMAT", true, false},
	} {
		t.Run(tt.command, func(t *testing.T) {
			dir := t.TempDir()
			out := filepath.Join(t.TempDir(), "out.tar")
			args := strings.Fields(tt.command)
			if _, err := exec.LookPath(args[0]); err != nil {
				skip.Without(t, "%s: %v", args[0], err)
			}
			for i, arg := range args {
				switch arg {
				case "OUT":
					args[i] = out
				case "PYTHON":
					args[i] = python
				}
			}
			names := writeFiles(t, dir, tt.longNames)
			cmd := exec.Command(args[0], append(args[1:], names...)...)
			cmd.Dir = dir
			if output, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			plain, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			want := len(names) - 2 // a link and a directory
			if n := checkSame(t, plain); n != want {
				t.Errorf("%d regular members, want %d", n, want)
			}
			if sparse := len(plain) < holes; sparse != tt.sparse {
				t.Errorf("the tar has %d bytes, the first of its sparse files %d", len(plain), holes)
			}
			if x := build(t, plain); x.End() > int64(len(plain))-2*BlockSize || !bytes.Equal(plain[x.End():x.End()+2*BlockSize], make([]byte, 2*BlockSize)) {
				t.Errorf("the end marker is not at byte %d", x.End())
			}
		})
	}
}

// holes is how long the first sparse file is that writeFiles writes, more than is stored of all others together.
const holes = 1 << 20

// writeFiles writes files of all sorts and returns their names, a link and a directory among them.
func writeFiles(t *testing.T, dir string, longNames bool) []string {
	names := []string{
		"a.txt", "empty.txt", "block.bin", "more.bin", "dir", "old.txt", "script.sh", "link.txt", "sparse.bin", "many.bin",
		strings.Repeat("n", 95) + ".txt", // 99 bytes, what fits everywhere
	}
	if longNames {
		names = append(names,
			strings.Repeat("n", 96)+".txt", strings.Repeat("n", 97)+".txt",
			"d/"+strings.Repeat("d", 200)+".txt", "d/"+strings.Repeat("long/", 80)+"name.txt", "ü.txt", "\xff\xfe.txt", "a\nb.txt")
	}
	write := func(name string, content []byte, mode os.FileMode, mtime time.Time) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range names {
		mtime := time.Unix(1_500_000_000+int64(i), 123_456_789*int64(i%3))
		switch name {
		case "dir":
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		case "link.txt":
			if err := os.Symlink("a.txt", filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		case "sparse.bin":
			write(name, []byte("start"), 0o644, mtime)
			if err := os.Truncate(filepath.Join(dir, name), holes); err != nil {
				t.Fatal(err)
			}
		case "many.bin":
			// More extents than one header of any format holds.
			write(name, nil, 0o644, mtime)
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i := range int64(60) {
				if _, err := f.WriteAt(fmt.Append(nil, i), i*16<<10+i); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		case "empty.txt":
			write(name, nil, 0o600, mtime)
		case "block.bin":
			write(name, make([]byte, BlockSize), 0o640, mtime)
		case "more.bin":
			write(name, bytes.Repeat([]byte("more"), 3000), 0o444, mtime)
		case "old.txt":
			write(name, []byte(name), 0o644, time.Unix(1, 0))
		case "script.sh":
			write(name, []byte(name), 0o755, mtime)
			if err := os.Chmod(filepath.Join(dir, name), 0o4755|os.ModeSetuid); err != nil {
				t.Fatal(err)
			}
		default:
			write(name, fmt.Appendf(nil, "%d", i), 0o644, mtime)
		}
	}
	return names
}
