package web

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/shardfs/shardfs/internal/testing/servers"
)

// farAway is farther from the beginning of a member than what is fetched in advance, in bytes.
const farAway = 40 << 20

// A shard on a web server is shown as a local one, and what is wrong with the server is told.
func TestRemote(t *testing.T) {
	long(t)
	t.Parallel()
	needBrowser(t)
	web := servers.Nginx(t)
	shard, err := os.ReadFile(mixed(t))
	if err != nil {
		t.Fatal(err)
	}
	end := writeShard(t, "end.tar", []file{{"z.bin", bytes.Repeat([]byte("old bytes, "), farAway/10)}})
	last, err := os.ReadFile(end)
	if err != nil {
		t.Fatal(err)
	}
	shard = append(shard[:len(shard)-1024], last...)
	web.Put(t, "mixed.tar", shard)
	v := view(t, "--cache-size", "1Mi", web.URL+"/mixed.tar")
	p := open(t, v.url, screen{})
	p.until("the cells", drawn)
	p.shows("#home", "mixed.tar")
	p.shows("#found", "61 samples")
	p.shows(".cell", "The picture 0")
	p.filter("cls==7")
	p.shows("#found", "5 of 61 samples")
	p.until("five cells", "document.querySelectorAll('.cell').length === 5 && "+drawn)
	p.click(".cell a")
	p.until("the picture", "document.querySelector('.sheet img')?.naturalWidth === 320")
	p.shows(".facts .command", "shardfs cat "+web.URL+"/mixed.tar s017")
	p.press(kb.Escape)

	// Another version of the shard is not mixed with this one.
	p.run("location.hash = '#/sample/60'", nil)
	p.shows(".hex", "old bytes, ")
	web.Put(t, "mixed.tar", bytes.ReplaceAll(shard, []byte("old"), []byte("new")))
	p.run(fmt.Sprintf("document.querySelector('.hex-tools input').value = %d", farAway), nil)
	p.run("document.querySelector('.hex-tools').requestSubmit()", nil)
	p.until("that it was overwritten", "document.querySelector('main').innerText.includes('overwritten')")
	if text := p.text("document.querySelector('.hex').innerText"); strings.Contains(text, "new bytes") {
		t.Errorf("bytes of another version: %s", text)
	}
}
