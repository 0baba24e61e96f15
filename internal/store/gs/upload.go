package gs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

const (
	writeIDKey = "shardfs-write-id" // the name of the write id in the metadata of objects
	mediaType  = "application/octet-stream"

	statusCancelled = 499 // of the answer to the cancelling of an upload
)

var (
	errCancelled  = errors.New("the upload was cancelled")
	errOtherBytes = fmt.Errorf("%w: the service has other bytes of an upload than were sent", store.ErrUnreachable)
)

// upload writes an object: a small one by one request (uploadType=multipart), a larger one in a session to which the parts
// are sent one after the other. Nobody sees a session but the process that has begun it; one that was not ended costs
// nothing, and ends by itself after a week.
type upload struct {
	set            *settings
	bucket, object string
	writeID        string
	send           remote.Send
	sent           int64 // bytes that the session has
}

var (
	_ remote.Uploader   = (*Service)(nil)
	_ remote.Identifier = (*upload)(nil)
)

// Upload implements [remote.Uploader].
func (s *Service) Upload(_ context.Context, name, writeID string, send remote.Send) (remote.Upload, error) {
	bucket, object, err := split(name)
	if err != nil {
		return nil, err
	}
	if _, err := s.settings(); err != nil {
		return nil, err
	}
	return &upload{set: s.writing, bucket: bucket, object: object, writeID: writeID, send: send}, nil
}

// Limits implements [remote.Upload].
func (*upload) Limits() remote.Limits {
	return remote.Limits{InOrder: true, LastCompletes: true, Tells: true}
}

// place returns where uploads of one kind are begun, on a condition.
func (u *upload) place(kind string, on remote.Condition) *remote.Place {
	p := u.set.place("/upload/storage/v1/b/", u.bucket, "/o")
	generation := ""
	switch {
	case on.Absent:
		generation = "0"
	case on.Was != nil:
		generation = string(on.Was.Version)
	}
	p.URL.RawQuery = remote.Query(map[string]string{"uploadType": kind, "name": u.object,
		"ifGenerationMatch": generation})
	p.Fault = func(status int, header http.Header, body []byte) remote.Fault {
		f := u.set.fault(status, header, body)
		if status == http.StatusNotFound { // there is nothing else that could be missing
			f.Err, f.Hint = remote.ErrNoBucket, noBucket
		}
		return f
	}
	return p
}

// resource returns what the object gets besides its bytes, of which sum is a checksum that the service verifies.
func (u *upload) resource(sum string) []byte {
	r := map[string]any{"contentType": mediaType, "metadata": map[string]string{writeIDKey: u.writeID}}
	if sum != "" {
		r["crc32c"] = sum
	}
	b, _ := json.Marshal(r) // texts can be
	return b
}

// encode returns a CRC-32C as the service wants it.
func encode(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// Put implements [remote.Upload].
func (u *upload) Put(ctx context.Context, c *remote.Content, on remote.Condition) error {
	line := "--" + u.writeID // which no content has
	before := line + "\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n" +
		string(u.resource(encode(c.CRC32C))) + "\r\n" + line + "\r\nContent-Type: " + mediaType + "\r\n\r\n"
	_, err := u.send(ctx, &remote.Request{Method: http.MethodPost, Place: u.place("multipart", on), Once: true,
		Header: http.Header{"Content-Type": {"multipart/related; boundary=" + u.writeID}},
		Body:   c.Between(before, "\r\n"+line+"--")})
	return err
}

// Begin implements [remote.Upload].
func (u *upload) Begin(ctx context.Context, on remote.Condition, _ bool) (session string, err error) {
	reply, err := u.send(ctx, &remote.Request{Method: http.MethodPost, Place: u.place("resumable", on),
		Header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}},
		Body:   remote.BytesContent(u.resource(""))})
	if err != nil {
		return "", err
	}
	session = reply.Header.Get("Location")
	if _, err := u.session(session); err != nil {
		return "", err
	}
	return session, nil
}

// session returns where a session is: on the host that the user has named, whatever an emulator calls itself.
func (u *upload) session(session string) (*remote.Place, error) {
	at, err := url.Parse(session)
	if err != nil || at.RawQuery == "" {
		return nil, fmt.Errorf("%w: the service does not say where an upload goes on", store.ErrUnreachable)
	}
	p := u.set.place()
	p.URL = &url.URL{Scheme: p.URL.Scheme, Host: p.URL.Host, Path: at.Path, RawPath: at.RawPath, RawQuery: at.RawQuery}
	p.Fault = func(status int, header http.Header, body []byte) remote.Fault {
		f := u.set.fault(status, header, body)
		switch status {
		case http.StatusNotFound, http.StatusGone:
			f.Err = remote.ErrNoUpload
		case statusCancelled:
			f.Err = errCancelled
		}
		return f
	}
	return p, nil
}

// Part implements [remote.Upload]. A part that was sent before is sent again as a whole: the service ignores bytes that it
// has. It may have taken less than all of it; the rest is then sent, too.
func (u *upload) Part(ctx context.Context, session string, _ int, c *remote.Content) (string, error) {
	p, err := u.session(session)
	if err != nil {
		return "", err
	}
	for begin := u.sent; u.sent < begin+c.Size; {
		skip := u.sent - begin
		reply, err := u.send(ctx, &remote.Request{Method: http.MethodPut, Place: p,
			Header: chunk(u.sent, begin+c.Size, "*"),
			Body:   c.From(skip)})
		if err != nil {
			return "", err
		}
		end, err := persisted(reply.Header)
		if err != nil || end <= u.sent || end > begin+c.Size {
			return "", errOtherBytes
		}
		u.sent = end
	}
	return "", nil
}

// chunk returns the header of a request with the bytes of an object from begin to end. The answer has the status 200, and
// not 308, which would be that of a redirect.
func chunk(begin, end int64, total string) http.Header {
	return http.Header{"Content-Range": {fmt.Sprintf("bytes %d-%d/%s", begin, end-1, total)},
		"X-Guploader-No-308": {"yes"}}
}

// persisted returns how many bytes a session has.
func persisted(answer http.Header) (int64, error) {
	if answer.Get("X-Http-Status-Code-Override") != "308" {
		return 0, errors.New("the session has ended")
	}
	text := answer.Get("Range")
	if text == "" {
		return 0, nil
	}
	_, last, _ := strings.Cut(text, "-")
	n, err := strconv.ParseInt(last, 10, 62)
	return n + 1, err
}

// Complete implements [remote.Upload]. The service compares the checksum. Some emulators do not, and have parts twice that
// were sent twice; so what they have published is compared here, and removed.
func (u *upload) Complete(ctx context.Context, session string, parts []remote.Part, last *remote.Content,
	_ remote.Condition) error {
	p, err := u.session(session)
	if err != nil {
		return err
	}
	total, sum := u.sent+last.Size, encode(remote.WholeSum(parts, last))
	header := chunk(u.sent, total, strconv.FormatInt(total, 10))
	header.Set("X-Goog-Hash", "crc32c="+sum)
	reply, err := u.send(ctx, &remote.Request{Method: http.MethodPut, Place: p, Header: header, Body: last, Once: true})
	if err != nil {
		return err
	}
	var is struct {
		Size, Generation string
		CRC32C           string `json:"crc32c"`
	}
	err = json.Unmarshal(reply.Body, &is)
	if err != nil || is.Size == strconv.FormatInt(total, 10) && is.CRC32C == sum {
		return nil // the engine looks at the object
	}
	p = u.set.place("/storage/v1/b/", u.bucket, "/o/", u.object)
	p.URL.RawQuery = remote.Query(map[string]string{"ifGenerationMatch": is.Generation})
	_, err = u.send(ctx, &remote.Request{Method: http.MethodDelete, Place: p})
	return errors.Join(errOtherBytes, err)
}

// Abort implements [remote.Upload].
func (u *upload) Abort(ctx context.Context, session string) error {
	p, err := u.session(session)
	if err != nil {
		return err
	}
	_, err = u.send(ctx, &remote.Request{Method: http.MethodDelete, Place: p})
	if errors.Is(err, errCancelled) || errors.Is(err, remote.ErrNoUpload) {
		return nil
	}
	return err
}

// WriteID implements [remote.Identifier]: requests for the bytes of an object tell nothing of its metadata.
func (u *upload) WriteID(ctx context.Context, v remote.Pin) (string, error) {
	p := u.set.place("/storage/v1/b/", u.bucket, "/o/", u.object)
	p.URL.RawQuery = remote.Query(map[string]string{"fields": "metadata", "generation": string(v.Version)})
	reply, err := u.send(ctx, &remote.Request{Method: http.MethodGet, Place: p})
	if err != nil {
		return "", err
	}
	var answer struct{ Metadata map[string]string }
	if err := json.Unmarshal(reply.Body, &answer); err != nil {
		return "", fmt.Errorf("%w: the metadata of an object is not valid JSON", store.ErrUnreachable)
	}
	return answer.Metadata[writeIDKey], nil
}
