package az

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// writeIDHeader is the header with the write id of a blob. The name of metadata has to be one that C# could have.
const writeIDHeader = "X-Ms-Meta-Shardfs_write_id"

// upload writes a blob: a small one by Put Blob, a larger one by blocks and a list of them. Blocks that are in no list
// cannot be removed: they are gone when a list without them is committed, or after a week.
type upload struct {
	s       *Service
	a       account
	path    string
	writeID string
	send    remote.Send
}

var (
	_ remote.Uploader   = (*Service)(nil)
	_ remote.PartLister = (*upload)(nil)
)

// Upload implements [remote.Uploader].
func (s *Service) Upload(_ context.Context, name, writeID string, send remote.Send) (remote.Upload, error) {
	n, err := split(name)
	if err != nil {
		return nil, err
	}
	a, err := s.account(n)
	if err != nil {
		return nil, err
	}
	return &upload{s, a, "/" + n.container + "/" + n.blob, writeID, send}, nil
}

// Limits implements [remote.Upload].
func (*upload) Limits() remote.Limits { return remote.Limits{} }

// put sends a PUT request with a checksum, which the service compares, and a query.
func (u *upload) put(ctx context.Context, r remote.Request, query map[string]string) error {
	sum, err := checksum(r.Body)
	if err != nil {
		return err
	}
	r.Method, r.Place = http.MethodPut, u.s.place(u.a, u.path)
	r.Place.URL.RawQuery = remote.Query(query)
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("X-Ms-Content-Crc64", sum)
	_, err = u.send(ctx, &r)
	return err
}

// publishing returns the header of a request that publishes the blob on a condition.
func (u *upload) publishing(on remote.Condition) http.Header {
	h := http.Header{writeIDHeader: {u.writeID}, "X-Ms-Blob-Content-Type": {"application/octet-stream"}}
	switch {
	case on.Absent:
		h.Set("If-None-Match", "*")
	case on.Was != nil:
		h.Set("If-Match", string(on.Was.Version))
	}
	return h
}

// Put implements [remote.Upload].
func (u *upload) Put(ctx context.Context, c *remote.Content, on remote.Condition) error {
	h := u.publishing(on)
	h.Set("X-Ms-Blob-Type", "BlockBlob")
	return u.put(ctx, remote.Request{Header: h, Body: c, Once: true}, nil)
}

// Begin implements [remote.Upload]. The name of an upload is the beginning of the names of its blocks.
func (u *upload) Begin(context.Context, remote.Condition, bool) (string, error) {
	return u.writeID, nil
}

// block returns the name of a block, with which it can be found again. All blocks of a blob must have names of the same
// length.
func block(upload string, number int, sum uint32) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%05d-%08x", upload, number, sum))
}

// Parts implements [remote.PartLister].
func (u *upload) Parts(ctx context.Context, upload string) (parts []remote.Part, err error) {
	p := u.s.place(u.a, u.path)
	p.URL.RawQuery = remote.Query(map[string]string{"comp": "blocklist", "blocklisttype": "uncommitted"})
	reply, err := u.send(ctx, &remote.Request{Method: http.MethodGet, Place: p})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, remote.ErrNoUpload
	}
	if err != nil {
		return nil, err
	}
	var list struct {
		Blocks []struct {
			Name string
			Size int64
		} `xml:"UncommittedBlocks>Block"`
	}
	if err := xml.Unmarshal(reply.Body, &list); err != nil {
		return nil, fmt.Errorf("%w: the list of blocks is not valid XML", store.ErrUnreachable)
	}
	for _, b := range list.Blocks {
		var part remote.Part
		name, err := base64.StdEncoding.DecodeString(b.Name)
		rest, ours := strings.CutPrefix(string(name), upload)
		_, scanErr := fmt.Sscanf(rest, "-%05d-%08x", &part.Number, &part.CRC32C)
		if ours && err == nil && scanErr == nil {
			part.Size, part.Receipt = b.Size, b.Name
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// Same implements [remote.PartLister].
func (*upload) Same(p remote.Part, c *remote.Content) (bool, error) { return p.CRC32C == c.CRC32C, nil }

// Part implements [remote.Upload].
func (u *upload) Part(ctx context.Context, upload string, number int, c *remote.Content) (string, error) {
	name := block(upload, number, c.CRC32C)
	return name, u.put(ctx, remote.Request{Body: c}, map[string]string{"comp": "block", "blockid": name})
}

// Complete implements [remote.Upload].
func (u *upload) Complete(ctx context.Context, _ string, parts []remote.Part, _ *remote.Content,
	on remote.Condition) error {
	var list strings.Builder
	list.WriteString(`<?xml version="1.0" encoding="utf-8"?><BlockList>`)
	for _, p := range parts {
		list.WriteString("<Uncommitted>" + p.Receipt + "</Uncommitted>")
	}
	list.WriteString("</BlockList>")
	return u.put(ctx, remote.Request{Header: u.publishing(on), Body: remote.BytesContent([]byte(list.String())),
		Once: true}, map[string]string{"comp": "blocklist"})
}

// Abort implements [remote.Upload].
func (*upload) Abort(context.Context, string) error { return nil }

// polynomial is that of CRC-64/NVME, reversed.
const polynomial = 0x9A6C9329AC4BC9B5

// checksum returns the checksum of a content as Azure wants it.
func checksum(c *remote.Content) (string, error) {
	h := crc64.New(crc64.MakeTable(polynomial))
	_, err := io.CopyBuffer(h, io.NewSectionReader(c, 0, c.Size), make([]byte, 1<<20))
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, h.Sum64())), err
}
