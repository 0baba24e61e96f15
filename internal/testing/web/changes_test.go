package web

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/shardfs/shardfs/internal/testing/skip"
)

// The changes of a mount are marked, and shown before and after.
func TestChanges(t *testing.T) {
	t.Parallel()
	needBrowser(t)
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		skip.Without(t, "/dev/fuse: %v", err)
	} else {
		f.Close()
	}
	dir := filepath.Join(t.TempDir(), "mnt")
	shardfs(t, "mount", mixed(t), dir)
	t.Cleanup(func() { shardfs(t, "umount", "--discard", dir) })
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("s010/sample.jpg", asJPEG(picture(99, 240, 320)))
	if err := os.RemoveAll(filepath.Join(dir, "s011")); err != nil {
		t.Fatal(err)
	}

	v := view(t, dir)
	p := open(t, v.url, screen{})
	p.until("the cells", drawn)
	p.shows(".cell.changed", "changed")
	p.shows(".cell.changed", "s010")
	p.shows(".cell.deleted", "deleted")
	p.shows(".cell.deleted", "s011")

	p.click(".cell.changed a")
	p.shows(".sample-bar", "changed")
	p.shows(".pane", "Before")
	p.shows(".pane", "After")
	p.until("both pictures", `(() => {
		const [before, after] = document.querySelectorAll('.sheet img');
		return before?.naturalWidth === 320 && after?.naturalWidth === 240;
	})()`)
	p.press(kb.Escape)

	// What changes meanwhile is seen, too.
	if err := os.Mkdir(filepath.Join(dir, "zzz"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("zzz/sample.jpg", asJPEG(picture(5, 320, 240)))
	p.shows("#found", "61 samples")
	p.run("document.querySelector('#goto').focus()", nil)
	p.press("6", "1", kb.Enter)
	p.shows(".cell.added", "zzz")
}

// A server that ends is told of, and one that answers again is used.
func TestServerEnds(t *testing.T) {
	t.Parallel()
	shard := mixed(t)
	const token = "0123456789abcdefghijkl"
	v := view(t, "--listen", "127.0.0.1:0", "--token", token, shard)
	p := open(t, v.url, screen{})
	p.until("the cells", drawn)
	v.cmd.Process.Signal(syscall.SIGKILL)
	v.cmd.Wait()
	p.shows("#banner", "does not answer")
	p.until("what was read", "document.querySelector('.cell canvas')")
	view(t, "--listen", v.host(), "--token", token, shard)
	p.until("that all is well again", "document.querySelector('#banner').hidden && "+drawn)
}

// A shard that is replaced while it is looked at is not mixed with the new one: the page says so.
func TestReplaced(t *testing.T) {
	t.Parallel()
	shard := mixed(t)
	p := open(t, view(t, shard).url, screen{})
	p.until("the cells", drawn)
	other := writeShard(t, "other.tar", []file{{"a.txt", []byte("another one")}})
	if err := os.Rename(other, shard); err != nil {
		t.Fatal(err)
	}
	p.shows("#banner", "mixed.tar")
	p.until("that it is an error", "document.querySelector('#banner').classList.contains('bad')")
}

// The whole samples of a shard that is cut off are shown where that is allowed.
func TestTruncated(t *testing.T) {
	t.Parallel()
	shard := mixed(t)
	info, err := os.Stat(shard)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(shard, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	p := open(t, view(t, "--allow-truncated", shard).url, screen{})
	p.shows("#found", "3 samples")
	p.shows(".cell", "s002")

	// Else it is said what is wrong with it, and other shards are shown.
	p = open(t, view(t, writeShard(t, "whole.tar", []file{{"a.txt", []byte("whole")}}), shard).url, screen{})
	p.shows("#banner", "mixed.tar: truncated")
	p.shows("#found", "1 sample")
	p.shows(".cell", "whole")
	p.run("location.hash = '#/statistics'", nil)
	p.until("the numbers", counted)
	p.shows(".statistics .fault", "truncated")
}

// What is not there is told, and no page of the server has more than that sentence.
func TestNotThere(t *testing.T) {
	long(t)
	t.Parallel()
	v := view(t, mixed(t))
	p := open(t, v.url+"#/nowhere", screen{})
	p.until("the grid", drawn)
	p.run("location.hash = '#/sample/0?m=99'", nil)
	p.until("another member", "document.querySelector('.sheet img')")
	p.run("location.hash = '#/sample/999999'", nil)
	p.shows(".sample-stage .fault", "no sample 999999")
	for path, want := range map[string]string{
		v.url + "raw/999/0": "no sample 999", v.url + "raw/0/99": "4 members", v.url + "api/nothing": "nothing is here",
		"http://" + v.host() + "/": "not found", "http://" + v.host() + "/a/token/": "not found",
	} {
		p := open(t, path, screen{})
		p.shows("body", want)
		if text := p.text("document.body.innerText"); strings.Contains(text, v.token()) {
			t.Errorf("%s tells the token: %s", path, text)
		}
	}
}

// Two tabs show different things of one server.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	v := view(t, mixed(t))
	one, two := open(t, v.url, screen{}), open(t, v.sample(maskedSample), screen{})
	one.until("the cells", drawn)
	two.shows(".sample-key", "s001")
	one.filter("s01")
	one.shows("#found", "10 of 60 samples")
	two.press(kb.ArrowRight)
	two.shows(".sample-key", "s002")
	two.press(kb.Escape)
	two.shows("#found", "60 samples")
	one.shows("#found", "10 of 60 samples")
}
