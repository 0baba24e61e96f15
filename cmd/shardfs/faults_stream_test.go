package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// TestEveryCut runs over a shard that is cut between blocks and inside them, as a file and as a stream. Every cut must
// be an error.
func TestEveryCut(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range 20 {
		content := bytes.Repeat([]byte("x"), 300)
		if i%5 < 2 {
			content = append(content, content...)
		}
		err := w.WriteHeader(&tar.Header{
			Name: fmt.Sprintf("%02d.txt", i), Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR,
		})
		if err := errors.Join(err, second(w.Write(content))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || b.Len() != 25_600 {
		t.Fatal(b.Len(), err)
	}
	var cuts []int
	for block := range 49 {
		cuts = append(cuts, 512*(block+1))
	}
	for block := range 25 {
		cuts = append(cuts, 1024*block+200)
	}
	p := newPlace(t, nil)
	out := p.path("out", "out.tar")
	check := func(at int, name string, stdin io.Reader) {
		t.Helper()
		r := p.pipe(fault{}, stdin, nil, "run", "-q", "--workspace", "dir", "-c", "true", name, "-o", out)
		p.speaks(r)
		if _, err := os.Lstat(out); r.status != exitDamaged || err == nil {
			t.Errorf("%s, cut at byte %d: exit status %d, an output: %v", name, at, r.status, err == nil)
		}
	}
	refused := 0
	for i := 0; i < len(cuts); i += manyOrFew(1, 5) {
		p.must(os.WriteFile(p.path("in.tar"), b.Bytes()[:cuts[i]], 0o600))
		check(cuts[i], "in.tar", nil)
		check(cuts[i], "-", bytes.NewReader(b.Bytes()[:cuts[i]]))
		refused++
	}
	if want := manyOrFew(74, 15); refused != want {
		t.Errorf("%d cuts, want %d", refused, want)
	}
	p.clean(p.tree())
}

// endless generates a stream of samples of 1 MiB each and hashes what is read from it.
func endless(size int64) (stream *io.PipeReader, sum func() []byte) {
	r, w := io.Pipe()
	hash, done := sha256.New(), make(chan struct{})
	go func() {
		defer close(done)
		tw := tar.NewWriter(io.MultiWriter(w, hash))
		content := noise(0, 1<<20)
		var err error
		for i := int64(0); i<<20 < size && err == nil; i++ {
			copy(content, fmt.Sprintln(i))
			err = tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("%08d.bin", i), Mode: 0o644, Size: int64(len(content))})
			if err == nil {
				_, err = tw.Write(content)
			}
		}
		w.CloseWithError(errors.Join(err, tw.Close()))
	}()
	return r, func() []byte {
		<-done
		return hash.Sum(nil)
	}
}

// hashed is the hash, the size and the last bytes of a stream.
type hashed struct {
	sum  []byte
	n    int64
	last []byte
}

func (e *hashed) read(r io.Reader) error {
	hash, b := sha256.New(), make([]byte, 256<<10)
	for {
		n, err := r.Read(b)
		hash.Write(b[:n])
		e.n += int64(n)
		e.last = append(e.last, b[:n]...)
		e.last = append([]byte(nil), e.last[max(0, len(e.last)-1024):]...)
		if err != nil {
			e.sum = hash.Sum(nil)
			if err == io.EOF {
				err = nil
			}
			return err
		}
	}
}

// ended reports whether the stream ends as a tar does.
func (e *hashed) ended() bool { return len(e.last) == 1024 && bytes.Count(e.last, []byte{0}) == 1024 }

// memory watches the processes of a run until ended is closed, and returns the largest sum of their memory in bytes.
func (p *place) memory(ended <-chan struct{}) (most int) {
	for {
		sum := 0
		for _, process := range processes(p.dir) {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.pid))
			if _, peak, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kilobytes int
				fmt.Sscan(peak, &kilobytes)
				sum += kilobytes << 10
			}
		}
		most = max(most, sum)
		select {
		case <-ended:
			return most
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestStream streams far more data through a run than fits into its scratch directory or memory.
func TestStream(t *testing.T) {
	needsRoot(t)
	size := int64(manyOrFew(10_000, 300)) << 20
	p := newPlace(t, nil)
	p.must(os.Mkdir(p.path("small"), 0o700))
	if err := unix.Mount("none", p.path("small"), "tmpfs", 0, "size=256m"); err != nil {
		skip.Without(t, "a tmpfs: %v", err)
	}
	defer unix.Unmount(p.path("small"), unix.MNT_DETACH)
	stream, sum := endless(size)
	fromRun, toUs := io.Pipe()
	var got hashed
	read := make(chan error)
	go func() { read <- got.read(fromRun) }()
	begun, ended, memory := time.Now(), make(chan struct{}), make(chan int)
	go func() { memory <- p.memory(ended) }()
	r := p.pipe(fault{}, stream, toUs, "run", "-q", "-j", "2", "--scratch", p.path("small"),
		"-c", "test -s sample.bin", "-o", "-", "-")
	close(ended)
	toUs.Close()
	stream.Close() // in case the run has not read all of it
	p.must(<-read)
	most := <-memory
	t.Logf("%d MB in %v, at most %d MB of memory", got.n/1e6, time.Since(begun), most/1e6)
	if r.status != 0 || !got.ended() || got.n < size || !bytes.Equal(got.sum, sum()) {
		t.Errorf("exit status %d, %d bytes, equal %v: %s", r.status, got.n, bytes.Equal(got.sum, sum()), r.stderr)
	}
	if most == 0 || most > 256<<20 {
		t.Errorf("%d bytes of memory", most)
	}
	if left, err := os.ReadDir(p.path("small")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestStreamReaderGone has the reader of the output stop early, which is not an error.
func TestStreamReaderGone(t *testing.T) {
	p := newPlace(t, nil)
	stream, _ := endless(100 << 20)
	defer stream.Close()
	in, out, err := os.Pipe()
	p.must(err)
	go func() {
		io.CopyN(io.Discard, in, 5<<20)
		in.Close()
	}()
	r := p.pipe(fault{}, stream, out, "run", "-j", "2", "-c", "true", "-o", "-", "-")
	out.Close()
	if r.hung || r.status != 128+int(unix.SIGPIPE) || r.stderr != "" {
		t.Errorf("exit status %d: %q", r.status, r.stderr)
	}
	for _, left := range leftovers(p.dir, p.patient) {
		t.Errorf("left behind: %s", left)
	}
}

// TestStreamCut has the producer of a stream end in the middle. Nothing is published, and a tar on standard output has
// no end marker.
func TestStreamCut(t *testing.T) {
	p := newPlace(t, nil)
	for _, at := range []int64{3 << 20, 7<<20 + 12345} {
		for _, out := range []string{p.path("out", "out.tar"), p.path("out", "out.tar.zst"), "-"} {
			stream, _ := endless(20 << 20)
			var got bytes.Buffer
			r := p.pipe(fault{}, io.LimitReader(stream, at), &got, "run", "-q", "-j", "2", "-c", "true", "-o", out, "-")
			stream.Close()
			p.speaks(r)
			var end hashed
			p.must(end.read(&got))
			if _, err := os.Lstat(out); r.hung || r.status != exitDamaged || err == nil || end.ended() {
				t.Errorf("%s, cut at byte %d: exit status %d, an output: %v, an end: %v",
					out, at, r.status, err == nil, end.ended())
			}
		}
	}
	p.clean(p.tree())
}
