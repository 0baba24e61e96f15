package swift

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// inUse is how long after its last segment an upload counts as one that is going on. Nothing prevents that segments
// are removed while a manifest of them is published, which is then of no use.
const inUse = 24 * time.Hour

// mark is in the names of segments, between the object's name and the write id.
const mark = "/shardfs-"

// prefix returns what the names of all segments of an upload begin with.
func prefix(object, upload string) string { return object + mark + upload + "/" }

// requests are those about a container and that of its segments.
type requests struct {
	s         *Service
	container string
	send      remote.Send
}

// segments returns the container of segments.
func (q requests) segments() string { return q.container + "_segments" }

// do sends a request about an object, or about its container if object is "", with a query.
func (q requests) do(ctx context.Context, container, object, query string, r remote.Request) (*remote.Reply, error) {
	var err error
	if r.Place, err = q.s.place(ctx, container, object); err != nil {
		return nil, err
	}
	r.Place.URL.RawQuery = query
	return q.send(ctx, &r)
}

// list returns the segments whose names begin with prefix, with their MD5 as versions.
func (q requests) list(ctx context.Context, prefix string) (all []store.Entry, err error) {
	for marker := ""; ; {
		reply, err := q.do(ctx, q.segments(), "", listing(prefix, marker), remote.Request{Method: http.MethodGet})
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		page, next, err := readDigests(reply.Body)
		if err != nil || next <= marker {
			return all, err
		}
		all, marker = append(all, page...), next
	}
}

// Unfinished implements [remote.UploadLister]. What may be going on, and what objects consist of, is left out.
func (s *Service) Unfinished(ctx context.Context, begin string, send remote.Send) (left []remote.Unfinished,
	err error) {
	container, objects, err := split(begin)
	if err != nil {
		return nil, err
	}
	q := requests{s, container, send}
	all, err := q.list(ctx, objects)
	if err != nil {
		return nil, err
	}
	type upload struct{ object, id string }
	last := map[upload]time.Time{} // when the last segment was written
	for _, e := range all {
		i := strings.LastIndex(e.Name, mark)
		if i < len(objects) {
			continue
		}
		id, _, ok := strings.Cut(e.Name[i+len(mark):], "/")
		if u := (upload{e.Name[:i], id}); ok && id != "" && e.ModTime.After(last[u]) {
			last[u] = e.ModTime
		}
	}
	// The objects are looked at after the segments: an upload that was published meanwhile is not unfinished.
	for u, at := range last {
		if time.Since(at) < inUse {
			continue
		}
		id, err := q.writeID(ctx, u.object)
		if err != nil {
			return nil, err
		}
		if id != u.id {
			name := "swift://" + container + "/" + u.object
			left = append(left, remote.Unfinished{Name: name, Upload: u.id, Begun: at})
		}
	}
	return left, nil
}

// writeID returns the write id of an object, or "" if it has none or is not there.
func (q requests) writeID(ctx context.Context, object string) (string, error) {
	reply, err := q.do(ctx, q.container, object, "", remote.Request{Method: http.MethodHead})
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return reply.Header.Get(writeIDHeader), nil
}
