package web

import (
	"archive/tar"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// largeSize is the size of a large member.
const largeSize = 2<<30 + 5

// writeLarge writes a shard with a picture, a member of largeSize, and another picture. The large member is a hole of the
// file but for its ends.
func writeLarge(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "large.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	put := func(name string, size int64, content ...string) {
		t.Helper()
		w := tar.NewWriter(f)
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		begin, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteAt([]byte(content[0]), begin)
		if len(content) > 1 {
			f.WriteAt([]byte(content[1]), begin+size-int64(len(content[1])))
		}
		if _, err := f.Seek(begin+(size+511)/512*512, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	small := string(asJPEG(picture(1, 320, 240)))
	put("a.jpg", int64(len(small)), small)
	put("b.bin", largeSize, "the beginning", "the end")
	put("b.txt", largeSize, "the first words", "the last words")
	put("c.jpg", int64(len(small)), small)
	if err := tar.NewWriter(f).Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// A member of 2 GB is looked at in parts: the page stays usable, and the server keeps none of it in memory.
func TestLargeMember(t *testing.T) {
	long(t)
	t.Parallel()
	v := view(t, writeLarge(t))
	p := open(t, v.url, screen{})
	p.until("the cells", drawn)
	p.shows(".cell", "bin txt")
	p.run("location.hash = '#/sample/1'", nil)
	p.shows(".sample-key", "b")
	p.shows(".sample-stage", "the first words")
	p.shows(".more", "256 KiB of 2.0 GiB")
	p.click(".more button")
	p.shows(".more", "512 KiB of 2.0 GiB")
	p.click(".members li:nth-child(1) button")
	p.shows(".hex", "74 68 65 20 62 65 67 69") // "the begi"
	p.shows(".facts", "2 147 483 653 bytes")

	// To its end, by the bar and by an offset.
	p.run("document.querySelector('.scroller.hex').scrollTop = 1e9", nil)
	p.shows(".hex", "80000000")
	p.run("document.querySelector('.hex-tools input').value = '0x7ffffff0'", nil)
	p.run("document.querySelector('.hex-tools').requestSubmit()", nil)
	p.shows(".hex", "7ffffff0")

	// Other samples are shown meanwhile.
	download := fmt.Sprintf("%sraw/1/0?download=1", v.url)
	p.run("globalThis.body = fetch('raw/1/0').then((answer) => answer.body.getReader()), null", nil)
	p.press(kb.ArrowRight)
	p.until("the picture", "document.querySelector('.sheet img')?.naturalWidth === 320")

	if got := ranged(t, download, largeSize-7, ""); got != "the end" {
		t.Errorf("the end is %q", got)
	}
	if got := ranged(t, download, 0, "12"); got != "the beginning" {
		t.Errorf("the beginning is %q", got)
	}
	whole(t, download)
	if mib := memory(t, v); mib > 150 {
		t.Errorf("the server has %d MiB", mib)
	}
}

// ranged returns a range of bytes.
func ranged(t *testing.T, url string, first int, last string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%s", first, last))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusPartialContent {
		t.Fatalf("bytes from %d: %s %v", first, answer.Status, err)
	}
	return string(body)
}

// whole fails the test unless all bytes of the large member come.
func whole(t *testing.T, url string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	tail := ends{}
	n, err := io.Copy(&tail, answer.Body)
	if err != nil || n != largeSize || tail.first != "the beginning" || !strings.HasSuffix(tail.last, "\x00the end") {
		t.Errorf("%d bytes from %q to %q: %v", n, tail.first, tail.last, err)
	}
	if got := answer.Header.Get("Content-Disposition"); got != "attachment; filename=b.bin" {
		t.Errorf("Content-Disposition: %s", got)
	}
}

// ends keeps the beginning and the end of what is written to it.
type ends struct{ first, last string }

func (e *ends) Write(b []byte) (int, error) {
	if e.first == "" && len(b) >= 13 {
		e.first = string(b[:13])
	}
	e.last += string(b[max(0, len(b)-16):])
	e.last = e.last[max(0, len(e.last)-16):]
	return len(b), nil
}
