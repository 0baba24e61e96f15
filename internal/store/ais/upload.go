package ais

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

const (
	customHeader = "Ais-Custom-Md" // has NAME=VALUE
	writeIDKey   = "shardfs-write-id"
)

// upload writes an object: a small one by one request, a larger one by a multipart upload, which is known to the target
// that will have the object. AIStore publishes on no condition, and lists no uploads by its own API.
//
// The object of a multipart upload gets no metadata. Who has written it is told by the upload: it is gone if it was
// completed, and nobody else knows its name.
type upload struct {
	s       *Service
	p       place
	writeID string
	send    remote.Send

	upload string           // that was to be completed; "" if none was
	was    remote.Condition // what has the name before that
}

var (
	_ remote.Uploader   = (*Service)(nil)
	_ remote.Identifier = (*upload)(nil)
)

// Upload implements [remote.Uploader].
func (s *Service) Upload(_ context.Context, name, writeID string, send remote.Send) (remote.Upload, error) {
	p, err := parse(name)
	if err != nil {
		return nil, err
	}
	return &upload{s: s, p: p, writeID: writeID, send: send}, nil
}

// Limits implements [remote.Upload].
func (*upload) Limits() remote.Limits { return remote.Limits{} }

// do sends a request about the object. A body is sent when the target, to which the proxy redirects, wants it.
func (u *upload) do(ctx context.Context, query url.Values, r remote.Request) (*remote.Reply, error) {
	at, err := u.s.url(u.p, "v1", "objects", u.p.bucket, u.p.object)
	if err != nil {
		return nil, err
	}
	if len(query) > 0 {
		at.RawQuery += "&" + query.Encode()
	}
	r.Place = u.s.place(at)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Expect", "100-continue")
	return u.send(ctx, &r)
}

// action returns a request that asks for something to be done with an upload.
func action(method, name string, value any) remote.Request {
	body, _ := json.Marshal(map[string]any{"action": name, "value": value}) // of texts and numbers
	return remote.Request{Method: method, Header: http.Header{"Content-Type": {"application/json"}},
		Body: remote.BytesContent(body)}
}

// Put implements [remote.Upload].
func (u *upload) Put(ctx context.Context, c *remote.Content, on remote.Condition) error {
	if on.Given() {
		return errors.ErrUnsupported
	}
	_, err := u.do(ctx, nil, remote.Request{Method: http.MethodPut, Body: c, Once: true, Header: http.Header{
		"Ais-Checksum-Type": {"crc32c"}, "Ais-Checksum-Value": {fmt.Sprintf("%08x", c.CRC32C)},
		customHeader: {writeIDKey + "=" + u.writeID}}})
	return err
}

// Begin implements [remote.Upload].
func (u *upload) Begin(ctx context.Context, _ remote.Condition, _ bool) (string, error) {
	reply, err := u.do(ctx, nil, action(http.MethodPost, "mpt-upload", nil))
	if err != nil {
		return "", err
	}
	upload := strings.Trim(strings.TrimSpace(string(reply.Body)), `"`)
	if upload == "" {
		return "", fmt.Errorf("%w: the answer has no upload", store.ErrUnreachable)
	}
	return upload, nil
}

// of returns the query of requests about an upload.
func of(upload string) url.Values { return url.Values{"uploadId": {upload}} }

// Part implements [remote.Upload]. AIStore compares no checksum of a part.
func (u *upload) Part(ctx context.Context, upload string, number int, c *remote.Content) (string, error) {
	query := of(upload)
	query.Set("partNumber", strconv.Itoa(number))
	_, err := u.do(ctx, query, remote.Request{Method: http.MethodPut, Body: c})
	return "", gone(err)
}

// gone returns what an error of a request about an upload means.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return remote.ErrNoUpload
	}
	return err
}

// completedPart is a part in a request to complete an upload.
type completedPart struct {
	Number int    `json:"part-number"`
	ETag   string `json:"etag"`
}

// Complete implements [remote.Upload].
func (u *upload) Complete(ctx context.Context, upload string, parts []remote.Part, _ *remote.Content,
	on remote.Condition) error {
	if on.Given() {
		u.was = on
		return errors.ErrUnsupported
	}
	u.upload = upload
	var list []completedPart
	for _, p := range parts {
		list = append(list, completedPart{Number: p.Number})
	}
	r := action(http.MethodPost, "mpt-complete", list)
	r.Once = true
	_, err := u.do(ctx, of(upload), r)
	return gone(err)
}

// Abort implements [remote.Upload].
func (u *upload) Abort(ctx context.Context, upload string) error {
	_, err := u.do(ctx, of(upload), action(http.MethodDelete, "mpt-abort", nil))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// WriteID implements [remote.Identifier]. It ends an upload that was not completed although the object has changed.
func (u *upload) WriteID(ctx context.Context, v remote.Pin) (string, error) {
	if v.WriteID != "" || u.upload == "" || u.was.Was != nil && u.was.Was.Version == v.Version {
		return v.WriteID, nil
	}
	_, err := u.do(ctx, of(u.upload), action(http.MethodDelete, "mpt-abort", nil))
	if errors.Is(err, fs.ErrNotExist) {
		return u.writeID, nil
	}
	return "", err
}
