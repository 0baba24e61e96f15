package gallery

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/picture"
)

// rawType returns the media type with which a member is sent. There are only types that browsers run nothing of.
func rawType(ext string) string {
	last := strings.ToLower(ext[strings.LastIndexByte(ext, '.')+1:])
	switch last {
	case "jpg", "jpeg", "jpe", "jfif":
		return "image/jpeg"
	case "png", "gif", "webp", "bmp", "avif":
		return "image/" + last
	case "mp4", "m4v":
		return "video/mp4"
	case "webm":
		return "video/webm"
	case "ogv":
		return "video/ogg"
	case "mov":
		return "video/quicktime"
	case "mkv":
		return "video/x-matroska"
	case "mp3":
		return "audio/mpeg"
	case "wav":
		return "audio/wav"
	case "flac":
		return "audio/flac"
	case "ogg", "oga", "opus":
		return "audio/ogg"
	case "m4a", "aac":
		return "audio/mp4"
	}
	switch picture.Kind(ext) {
	case "text", "class", "json", "markup":
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

// open opens a member for a request.
func (g *Gallery) open(r *http.Request, n, m int) (*content, *entry, error) {
	before := false
	switch r.URL.Query().Get("before") {
	case "", "0":
	case "1":
		before = true
	default:
		return nil, nil, badRequest("before: 0 or 1 is needed")
	}
	seg, number, err := g.set.now(r.Context()).at(n)
	if err != nil {
		return nil, nil, err
	}
	e, err := seg.samples.entry(number)
	if err != nil {
		return nil, nil, err
	}
	if m >= len(e.members) {
		return nil, nil, &requestError{404, fmt.Sprintf("sample %d has %d members", n, len(e.members))}
	}
	of := &e.members[m]
	c, err := seg.samples.open(r.Context(), of, before || of.change == deleted)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", e.name(m), err)
	}
	return c, &e, nil
}

// raw answers with the bytes of a member, or a range of them.
func (g *Gallery) raw(w http.ResponseWriter, r *http.Request, n, m int) error {
	c, e, err := g.open(r, n, m)
	if err != nil {
		return err
	}
	defer c.Close()
	h := w.Header()
	mediaType := rawType(e.members[m].ext)
	h.Set("Content-Type", mediaType)
	h.Set("Content-Security-Policy", mediaPolicy)
	if r.URL.Query().Get("download") == "1" || mediaType == "application/octet-stream" {
		h.Set("Content-Disposition", disposition(e.name(m)))
	}
	if r.Method == http.MethodHead || r.Header.Get("Range") == "" {
		// What cannot be read is found out before the answer begins.
		if _, err := c.ReadAt(make([]byte, min(c.size, 512)), 0); err != nil && err != io.EOF {
			return fmt.Errorf("%s: %w", e.name(m), err)
		}
	}
	body := &patient{io.NewSectionReader(c, 0, c.size), http.NewResponseController(w), r.Context()}
	http.ServeContent(w, r, "", time.Time{}, body)
	return nil
}

// disposition returns the header that has a browser save a member under its name, without its directory.
func disposition(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || isHidden(r) || strings.ContainsRune(`\/:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(path.Base(name), "_"))
	if name == "" || strings.Trim(name, ".") == "" {
		name = "member"
	}
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": name}); v != "" {
		return v
	}
	return "attachment"
}

// patient is the content of a long answer. Each piece that is read gives the client time for the next one.
type patient struct {
	*io.SectionReader
	to  *http.ResponseController
	ctx context.Context // of the request
}

// Read implements [io.Reader].
func (p *patient) Read(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	p.to.SetWriteDeadline(time.Now().Add(answerTime))
	return p.SectionReader.Read(b)
}
