package gallery

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// files has the page.
//
//go:embed page
var files embed.FS

// page is the page: its files by their paths below the token, where "" is index.html.
type page struct{ files map[string]pageFile }

// pageFile is a file of the page.
type pageFile struct {
	mediaType string
	tag       string // of its content
	plain     []byte
	packed    []byte // by gzip
}

// newPage returns the page.
func newPage() (*page, error) {
	p := &page{make(map[string]pageFile)}
	err := fs.WalkDir(files, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f := pageFile{mediaType: pageType(path.Ext(name))}
		if f.plain, err = files.ReadFile(name); err != nil {
			return err
		}
		sum := sha256.Sum256(f.plain)
		f.tag = `"` + hex.EncodeToString(sum[:8]) + `"`
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := z.Write(f.plain); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		f.packed = b.Bytes()
		name = strings.TrimPrefix(name, "page/")
		p.files[name] = f
		if name == "index.html" {
			p.files[""] = f
		}
		return nil
	})
	return p, err
}

// pageType returns the media type of a file of the page. It does not depend on the tables of the machine.
func pageType(ext string) string {
	switch ext {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	}
	if mediaType := mime.TypeByExtension(ext); strings.HasPrefix(mediaType, "font/") {
		return mediaType
	}
	return "application/octet-stream"
}

// serve answers a request for a file of the page.
func (p *page) serve(w http.ResponseWriter, r *http.Request, name string) error {
	f, ok := p.files[name]
	if !ok {
		return errNotFound
	}
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Etag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	body := f.plain
	if len(f.packed) < len(f.plain) && accepts(r, "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	send(w, r, f.mediaType, body)
	return nil
}

// accepts reports whether a client takes an encoding of content.
func accepts(r *http.Request, encoding string) bool {
	for name := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(name), ";")
		if name == encoding && strings.TrimSpace(quality) != "q=0" {
			return true
		}
	}
	return false
}
