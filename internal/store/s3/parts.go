package s3

import (
	"context"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// listedParts is a page of a list of the parts of an upload.
type listedParts struct {
	XMLName              xml.Name `xml:"ListPartsResult"`
	IsTruncated          bool
	NextPartNumberMarker int
	Part                 []struct {
		PartNumber     int
		Size           int64
		ETag           string
		ChecksumCRC32C string
	}
}

// Parts implements [remote.PartLister].
func (u *upload) Parts(ctx context.Context, id string) (list []remote.Part, err error) {
	u.crc = true
	for marker := 0; ; {
		query := url.Values{"uploadId": {id}, "part-number-marker": {strconv.Itoa(marker)}}
		reply, err := u.do(ctx, remote.Request{Method: http.MethodGet}, u.key, query)
		if err != nil {
			return nil, err
		}
		var page listedParts
		if err := xml.Unmarshal(reply.Body, &page); err != nil {
			return nil, fmt.Errorf("%w: the list of parts is not valid XML", store.ErrUnreachable)
		}
		for _, p := range page.Part {
			receipt := p.ETag
			if p.ChecksumCRC32C == "" {
				u.crc = false // as Begin has found out
			} else {
				receipt += " " + p.ChecksumCRC32C
			}
			list = append(list, remote.Part{Number: p.PartNumber, Size: p.Size, Receipt: receipt})
		}
		if !page.IsTruncated || page.NextPartNumberMarker <= marker {
			return list, nil
		}
		marker = page.NextPartNumberMarker
	}
}

// Same implements [remote.PartLister]. Without CRC-32C, the ETag of a part is its MD5.
func (u *upload) Same(p remote.Part, c *remote.Content) (bool, error) {
	etag, sum, ok := strings.Cut(p.Receipt, " ")
	if ok {
		return sum == encode(c.CRC32C), nil
	}
	md5, err := c.MD5()
	return strings.Trim(etag, `"`) == hex.EncodeToString(md5), err
}
