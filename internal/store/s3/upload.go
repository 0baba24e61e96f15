package s3

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

const (
	writeIDHeader = "X-Amz-Meta-Shardfs-Write-Id"
	hashHeader    = "X-Amz-Content-Sha256"

	// unsignedPayload stands for the hash of a body in a signature. The checksum in another header is signed or, like
	// Content-MD5, known to every server; hashing each body by SHA-256 would take longer than sending it.
	unsignedPayload = "UNSIGNED-PAYLOAD"

	// assembling is how many bytes a second a server copies, at least, when it makes a part of another object, or completes an
	// upload. Amazon sends spaces meanwhile, others nothing.
	assembling = 20 << 20
)

// upload writes one object by the multipart API.
type upload struct {
	s           *Service
	bucket, key string
	writeID     string
	send        remote.Send

	// crc says that the server compares the CRC-32C of each part. It is set before the first one. Others compare MD5.
	crc bool
}

var (
	_ remote.UploadLister = (*Service)(nil)
	_ remote.CopyUploader = (*Service)(nil)
	_ remote.PartLister   = (*upload)(nil)
	_ remote.Copier       = (*upload)(nil)
)

// Upload implements [remote.Uploader].
func (s *Service) Upload(_ context.Context, name, writeID string, send remote.Send) (remote.Upload, error) {
	bucket, key, err := split(name)
	if err != nil {
		return nil, err
	}
	return &upload{s: s, bucket: bucket, key: key, writeID: writeID, send: send}, nil
}

// Limits implements [remote.Upload].
func (u *upload) Limits() remote.Limits { return remote.Limits{Tells: true} }

// do sends a request about the object, or about its bucket if key is empty.
func (u *upload) do(ctx context.Context, r remote.Request, key string, query url.Values) (*remote.Reply, error) {
	set, err := u.s.settings(ctx)
	if err != nil {
		return nil, err
	}
	r.Place = u.s.place(set, u.bucket, key, u.s.region(set, u.bucket))
	r.Place.URL.RawQuery = query.Encode()
	reading := r.Place.Fault
	r.Place.Fault = func(status int, header http.Header, body []byte) remote.Fault {
		f := reading(status, header, body)
		means, ok := writing[f.Code]
		if !ok {
			return f
		}
		if status == http.StatusPreconditionFailed { // of Swift with InvalidRequest
			means.Err = remote.ErrCondition
		}
		means.Code, means.Hint = f.Code, cmp.Or(f.Hint, means.Hint)
		return means
	}
	return u.send(ctx, &r)
}

// setCondition adds the header of a condition.
func setCondition(h http.Header, on remote.Condition) {
	switch {
	case on.Absent:
		h.Set("If-None-Match", "*")
	case on.Was != nil:
		h.Set("If-Match", string(on.Was.Version))
	}
}

// Put implements [remote.Upload].
func (u *upload) Put(ctx context.Context, c *remote.Content, on remote.Condition) error {
	sum, err := c.MD5()
	if err != nil {
		return err
	}
	h := http.Header{writeIDHeader: {u.writeID}, hashHeader: {unsignedPayload}}
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum))
	setCondition(h, on)
	_, err = u.do(ctx, remote.Request{Method: http.MethodPut, Header: h, Body: c, Once: true}, u.key, nil)
	return err
}

// Begin implements [remote.Upload]. A server that knows CRC-32C says so; one that refuses it is asked without. It is not
// used if parts may be copied: versitygw gives a copied range the checksum of the whole object, see findings.
func (u *upload) Begin(ctx context.Context, _ remote.Condition, copies bool) (string, error) {
	h := http.Header{writeIDHeader: {u.writeID}}
	if !copies {
		h.Set("X-Amz-Checksum-Algorithm", "CRC32C")
	}
	h.Set("Content-Type", "application/octet-stream")
	r := remote.Request{Method: http.MethodPost, Header: h}
	reply, err := u.do(ctx, r, u.key, url.Values{"uploads": {""}})
	if !copies && (errors.Is(err, errors.ErrUnsupported) || errors.Is(err, errArgument)) {
		h.Del("X-Amz-Checksum-Algorithm")
		reply, err = u.do(ctx, r, u.key, url.Values{"uploads": {""}})
	}
	if err != nil {
		return "", err
	}
	var begun struct{ UploadId string } // in an element that is not called the same by all servers
	if err := xml.Unmarshal(reply.Body, &begun); err != nil || begun.UploadId == "" {
		return "", fmt.Errorf("%w: the answer has no upload", store.ErrUnreachable)
	}
	u.crc = strings.EqualFold(reply.Header.Get("X-Amz-Checksum-Algorithm"), "CRC32C")
	return begun.UploadId, nil
}

// Part implements [remote.Upload]. The receipt is the ETag and, if the server has compared it, the CRC-32C.
func (u *upload) Part(ctx context.Context, id string, number int, c *remote.Content) (string, error) {
	h := http.Header{hashHeader: {unsignedPayload}}
	sum := encode(c.CRC32C)
	if u.crc {
		h.Set("X-Amz-Checksum-Crc32c", sum)
	} else {
		md5, err := c.MD5()
		if err != nil {
			return "", err
		}
		h.Set("Content-MD5", base64.StdEncoding.EncodeToString(md5))
	}
	query := url.Values{"partNumber": {strconv.Itoa(number)}, "uploadId": {id}}
	reply, err := u.do(ctx, remote.Request{Method: http.MethodPut, Header: h, Body: c}, u.key, query)
	if err != nil {
		return "", err
	}
	etag := reply.Header.Get("ETag")
	if etag == "" {
		return "", fmt.Errorf("%w: the answer to a part has no ETag", store.ErrUnreachable)
	}
	if u.crc {
		return etag + " " + sum, nil
	}
	return etag, nil
}

// encode returns a CRC-32C as servers want it.
func encode(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// completed is the body of the last request of an upload.
type completed struct {
	XMLName xml.Name        `xml:"CompleteMultipartUpload"`
	Part    []completedPart `xml:"Part"`
}

type completedPart struct {
	PartNumber     int
	ETag           string
	ChecksumCRC32C string `xml:",omitempty"`
}

// Complete implements [remote.Upload].
func (u *upload) Complete(ctx context.Context, id string, parts []remote.Part, _ *remote.Content,
	on remote.Condition) error {
	var list completed
	var size int64
	for _, p := range parts {
		etag, sum, _ := strings.Cut(p.Receipt, " ")
		list.Part = append(list.Part, completedPart{p.Number, etag, sum})
		size += p.Size
	}
	text, err := xml.Marshal(list)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(text)
	h := http.Header{hashHeader: {hex.EncodeToString(hash[:])}, "X-Amz-Mp-Object-Size": {strconv.FormatInt(size, 10)}}
	h.Set("Content-Type", "application/xml")
	setCondition(h, on)
	_, err = u.do(ctx, remote.Request{Method: http.MethodPost, Header: h, Body: remote.BytesContent(text), Once: true,
		Patience: patience(size), Refused: isError}, u.key, url.Values{"uploadId": {id}})
	return err
}

// isError reports whether a body is an error. Amazon begins to answer before it knows whether a request succeeds.
func isError(body []byte) bool { return readError(body).XMLName.Local == "Error" }

// Abort implements [remote.Upload].
func (u *upload) Abort(ctx context.Context, id string) error {
	_, err := u.do(ctx, remote.Request{Method: http.MethodDelete}, u.key, url.Values{"uploadId": {id}})
	if errors.Is(err, remote.ErrNoUpload) {
		return nil
	}
	return err
}

// CopiesInStore implements [remote.CopyUploader].
func (*Service) CopiesInStore() {}

// Copy implements [remote.Copier]. The receipt is that of Part.
func (u *upload) Copy(ctx context.Context, id string, number int, from remote.Range) (string, error) {
	bucket, key, err := split(from.Name)
	if err != nil {
		return "", err
	}
	h := http.Header{"X-Amz-Copy-Source": {remote.EscapePath("/" + bucket + "/" + key)},
		"X-Amz-Copy-Source-Range":    {fmt.Sprintf("bytes=%d-%d", from.Off, from.Off+from.Size-1)},
		"X-Amz-Copy-Source-If-Match": {string(from.Pin.Version)}}
	query := url.Values{"partNumber": {strconv.Itoa(number)}, "uploadId": {id}}
	reply, err := u.do(ctx, remote.Request{Method: http.MethodPut, Header: h, Patience: patience(from.Size),
		Refused: isError}, u.key, query)
	if err != nil {
		return "", err
	}
	var made struct {
		XMLName        xml.Name `xml:"CopyPartResult"`
		ETag           string
		ChecksumCRC32C string
	}
	if err := xml.Unmarshal(reply.Body, &made); err != nil || made.ETag == "" {
		return "", fmt.Errorf("%w: the answer to a copied part has no ETag", store.ErrUnreachable)
	}
	switch {
	case !u.crc:
		return made.ETag, nil
	case len(made.ChecksumCRC32C) != len(encode(0)):
		return "", fmt.Errorf("%w: there is no checksum of a copied part", errors.ErrUnsupported)
	}
	return made.ETag + " " + made.ChecksumCRC32C, nil
}

// patience returns for how much longer a server may be silent while it puts together so many bytes.
func patience(size int64) time.Duration { return time.Duration(size/assembling) * time.Second }
