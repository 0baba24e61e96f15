package index

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// A tar from any of the common writers, in any of their formats, is read as archive/tar reads it.
func TestScannerReadsOtherWriters(t *testing.T) {
	t.Parallel()
	var dirs [2]string // of files with short names, and of files with long ones, too
	var names [2][]string
	for i := range dirs {
		dirs[i] = t.TempDir()
		names[i] = writeFiles(t, dirs[i], i == 1)
	}
	const short, long = 0, 1
	for _, tt := range []struct {
		command string // OUT is replaced by the name of the tar to write
		names   int    // number of files whose names the format supports
		sparse  bool   // the sparse files are written with their holes
	}{
		{"tar --format=v7 -cf OUT", short, false},
		{"tar --format=ustar -cf OUT", short, false},
		{"tar --format=oldgnu -cf OUT", long, false},
		{"tar --format=gnu -cf OUT", long, false},
		{"tar --format=posix -cf OUT", long, false},
		{"tar --format=gnu -b1 -cf OUT", long, false},
		{"tar --format=gnu -Scf OUT", long, true},
		{"tar --format=posix -Scf OUT", long, true},
		{"tar --format=posix -S --sparse-version=0.0 -cf OUT", long, true},
		{"tar --format=posix -S --sparse-version=0.1 -cf OUT", long, true},
		{"bsdtar --format=v7 -cf OUT", short, false},
		{"bsdtar --format=ustar -cf OUT", short, false},
		{"bsdtar --format=gnutar -cf OUT", long, false},
		{"bsdtar --format=pax --no-read-sparse -cf OUT", long, false},
		{"bsdtar --format=pax -cf OUT", long, true},
		{"bsdtar --format=paxr --no-read-sparse -cf OUT", long, false},
	} {
		t.Run(tt.command, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out.tar")
			runIn(t, dirs[tt.names], append(strings.Fields(strings.ReplaceAll(tt.command, "OUT", out)),
				names[tt.names]...))
			checkWritten(t, out, len(names[tt.names]), tt.sparse)
		})
	}
	// One process writes all formats, because starting Python takes longer than all the rest.
	t.Run("python3", func(t *testing.T) {
		t.Parallel()
		const script = `import os, sys, tarfile
args = sys.argv[1:]
while args:
    out, format, dir, n = args[0], args[1], args[2], 4 + int(args[3])
    os.chdir(dir)
    with tarfile.open(out, "w", format=getattr(tarfile, format)) as tar:
        for name in args[4:n]:
            tar.add(name)
    args = args[n:]
`
		args, dir := []string{"python3", "-c", script}, t.TempDir()
		formats := map[string]int{"USTAR_FORMAT": short, "GNU_FORMAT": long, "PAX_FORMAT": long}
		for format, i := range formats {
			args = append(args, filepath.Join(dir, format), format, dirs[i], strconv.Itoa(len(names[i])))
			args = append(args, names[i]...)
		}
		runIn(t, dir, args)
		for format, i := range formats {
			t.Run(format, func(t *testing.T) { checkWritten(t, filepath.Join(dir, format), len(names[i]), false) })
		}
	})
}

// runIn runs a command in a directory. It skips the test if there is no such program.
func runIn(t *testing.T, dir string, args []string) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		skip.Without(t, "%s: %v", args[0], err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
}

// checkWritten checks that a tar of that many names is read as archive/tar reads it.
func checkWritten(t *testing.T, name string, names int, sparse bool) {
	t.Helper()
	plain, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := names - 2 // a link and a directory
	if n := checkSame(t, plain); n != want {
		t.Errorf("%d regular members, want %d", n, want)
	}
	if got := len(plain) < holes; got != sparse {
		t.Errorf("the tar has %d bytes, the first of its sparse files %d", len(plain), holes)
	}
	x := build(t, plain)
	if end := plain[min(x.End(), int64(len(plain))):]; len(end) < 2*BlockSize ||
		!bytes.Equal(end[:2*BlockSize], make([]byte, 2*BlockSize)) {
		t.Errorf("the end marker is not at byte %d", x.End())
	}
}

// holes is the size of the first sparse file of writeFiles, more than the stored bytes of all others together.
const holes = 1 << 20

// writeFiles writes files of all sorts and returns their names, including a link and a directory.
func writeFiles(t *testing.T, dir string, longNames bool) []string {
	names := []string{
		"a.txt", "empty.txt", "block.bin", "more.bin", "dir", "old.txt", "script.sh", "link.txt",
		"sparse.bin", "many.bin",
		strings.Repeat("n", 95) + ".txt", // 99 bytes, what fits everywhere
	}
	if longNames {
		names = append(names,
			strings.Repeat("n", 96)+".txt", strings.Repeat("n", 97)+".txt",
			"d/"+strings.Repeat("d", 200)+".txt", "d/"+strings.Repeat("long/", 80)+"name.txt", "ü.txt", "\xff\xfe.txt",
			"a\nb.txt")
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
