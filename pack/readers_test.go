package pack

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// checkReaders checks that every reader at hand finds the same regular members in a tar: archive/tar, Python's tarfile
// in the way of WebDataset's readers, and GNU tar.
func checkReaders(t *testing.T, plain []byte) {
	t.Helper()
	var want []string
	var all bytes.Buffer
	r := tar.NewReader(bytes.NewReader(plain))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("archive/tar: %v", err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("archive/tar: %v", err)
		}
		if h.Typeflag == tar.TypeReg {
			want = append(want, fmt.Sprintf("%x %x", h.Name, sha256.Sum256(content)))
			all.Write(content)
		}
	}
	if python := pythonReader(); python == nil {
		skip.Part(t, "python3, to read the output with")
	} else if got := python.read(t, plain); !slices.Equal(got, want) {
		t.Errorf("Python reads %q, want %q", got, want)
	}
	if _, err := exec.LookPath("tar"); err != nil {
		skip.Part(t, "GNU tar, to read the output with: %v", err)
		return
	}
	cmd := exec.Command("tar", "-xPOf", "-")
	cmd.Stdin = bytes.NewReader(plain)
	var output, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 || !bytes.Equal(output.Bytes(), all.Bytes()) {
		t.Errorf("GNU tar: %v, %d bytes of content, want %d\n%s", err, output.Len(), all.Len(), &complaints)
	}
}

// python is a process that reads tars. It gets each after a line with its length, and answers with a
// line for each regular member and one to end them.
type python struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

const pythonSource = `import sys, io, hashlib, tarfile
for line in sys.stdin.buffer:
    plain = sys.stdin.buffer.read(int(line))
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r|*") as members:
            for m in members:
                if m.isreg():
                    name = m.name.encode("utf-8", "surrogateescape")
                    print(name.hex(), hashlib.sha256(members.extractfile(m).read()).hexdigest())
    except tarfile.TarError as e:
        print(repr(e))
    print("end", flush=True)
`

// pythonReader returns the process, which is started once; nil where there is no Python.
var pythonReader = sync.OnceValue(func() *python {
	cmd := exec.Command("python3", "-c", pythonSource)
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if inErr != nil || outErr != nil || cmd.Start() != nil {
		return nil
	}
	return &python{cmd, in, bufio.NewScanner(out)}
})

func (p *python) read(t *testing.T, plain []byte) (lines []string) {
	t.Helper()
	if _, err := fmt.Fprintf(p.in, "%d\n%s", len(plain), plain); err != nil {
		t.Fatal(err)
	}
	for p.out.Scan() {
		if p.out.Text() == "end" {
			return lines
		}
		lines = append(lines, strings.TrimSpace(p.out.Text()))
	}
	t.Fatalf("python3 stopped: %v", p.out.Err())
	return nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	if p := pythonReader(); p != nil {
		p.in.Close()
		p.cmd.Wait()
	}
	os.Exit(code)
}
