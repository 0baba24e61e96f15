package swift

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shardfs/shardfs/internal/store/remote"
)

const (
	writeIDHeader = "X-Object-Meta-Shardfs-Write-Id"
	mediaType     = "application/octet-stream"

	// mostSegments is how many segments a manifest has at most, unless an operator has changed that.
	mostSegments = 1000

	// looking is how long Swift may be silent for each segment of a manifest, while it looks at all of them.
	looking = 100 * time.Millisecond
)

// upload writes an object: a small one at once, a larger one (a static large object) as segments in the container
// CONTAINER_segments, and at the end a manifest of them at the name. A manifest that is replaced leaves its segments.
type upload struct {
	requests
	object  string
	writeID string
	most    int // segments of a manifest

	absent  bool   // nothing had the name at the beginning
	before  string // the write id of what had it; "" for none
	unknown bool   // whether the manifest was published is not known, and so not whether segments are in use
}

var (
	_ remote.UploadLister = (*Service)(nil)
	_ remote.PartLister   = (*upload)(nil)
	_ remote.Replacer     = (*upload)(nil)
)

// Upload implements [remote.Uploader].
func (s *Service) Upload(_ context.Context, name, writeID string, send remote.Send) (remote.Upload, error) {
	container, object, err := split(name)
	if err != nil {
		return nil, err
	}
	q := requests{s, container, send}
	return &upload{requests: q, object: object, writeID: writeID, most: mostSegments}, nil
}

// Limits implements [remote.Upload].
func (*upload) Limits() remote.Limits { return remote.Limits{} }

// conditions notes what has to be at the name, and reports whether that is anything: Swift does not publish on condition. It
// ignores If-Match, and of several requests with If-None-Match at the same time, more than one succeeds
// (findings/swift-if-none-match-races.sh).
func (u *upload) conditions(on remote.Condition) bool {
	if on.Was != nil {
		u.before = on.Was.WriteID
	}
	u.absent = u.absent || on.Absent
	return on.Given()
}

// publish sends a request that publishes the object. If nothing had the name, Swift looks, too, whether that is still so.
func (u *upload) publish(ctx context.Context, query string, r remote.Request) error {
	if u.absent {
		r.Header.Set("If-None-Match", "*")
	}
	r.Header.Set(writeIDHeader, u.writeID)
	r.Header.Set("Content-Type", mediaType)
	r.Method, r.Once = http.MethodPut, true
	_, err := u.do(ctx, u.container, u.object, query, r)
	return inContainer(err)
}

// inContainer returns what an error of a request means that only a missing container leaves unanswered.
func inContainer(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w, %w", err, remote.ErrNoBucket)
	}
	return err
}

// Put implements [remote.Upload].
func (u *upload) Put(ctx context.Context, c *remote.Content, on remote.Condition) error {
	if u.conditions(on) {
		return errors.ErrUnsupported
	}
	sum, err := c.MD5()
	if err != nil {
		return err
	}
	return u.publish(ctx, "", remote.Request{Header: http.Header{"Etag": {hex.EncodeToString(sum)}}, Body: c})
}

// Begin implements [remote.Upload].
func (u *upload) Begin(ctx context.Context, _ remote.Condition, _ bool) (string, error) {
	// The answer to HEAD has the end of a chunked body, although it has none, which net/http writes to the log.
	_, err := u.do(ctx, u.container, "", "limit=1", remote.Request{Method: http.MethodGet})
	if err != nil {
		return "", inContainer(err)
	}
	_, err = u.do(ctx, u.segments(), "", "", remote.Request{Method: http.MethodPut}) // it may be there
	return u.writeID, err
}

// Part implements [remote.Upload]. The receipt of a segment is its MD5.
func (u *upload) Part(ctx context.Context, upload string, number int, c *remote.Content) (string, error) {
	sum, err := c.MD5()
	if err != nil {
		return "", err
	}
	receipt := hex.EncodeToString(sum)
	_, err = u.do(ctx, u.segments(), u.segment(upload, number), "", remote.Request{Method: http.MethodPut,
		Header: http.Header{"Etag": {receipt}, "Content-Type": {mediaType}}, Body: c})
	return receipt, err
}

// segment returns the name of a segment.
func (u *upload) segment(upload string, number int) string {
	return fmt.Sprintf("%s%08d", prefix(u.object, upload), number)
}

// entry is a segment in a manifest.
type entry struct {
	Path string `json:"path"`
	MD5  string `json:"etag,omitempty"`
	Size int64  `json:"size_bytes"`
}

// Complete implements [remote.Upload].
func (u *upload) Complete(ctx context.Context, upload string, parts []remote.Part, _ *remote.Content,
	on remote.Condition) error {
	if u.conditions(on) {
		return errors.ErrUnsupported
	}
	var all []entry
	for _, p := range parts {
		all = append(all, entry{"/" + u.segments() + "/" + u.segment(upload, p.Number), p.Receipt, p.Size})
	}
	for level := 1; len(all) > u.most; level++ {
		var err error
		if all, err = u.group(ctx, upload, level, all); err != nil {
			return err
		}
	}
	r, err := manifest(all)
	if err != nil {
		return err
	}
	err = u.publish(ctx, putManifest, r)
	u.unknown = err != nil
	for _, refused := range []error{remote.ErrCondition, remote.ErrNoUpload, fs.ErrNotExist, fs.ErrPermission} {
		if errors.Is(err, refused) {
			u.unknown = false
		}
	}
	return err
}

// putManifest is the query of requests with a manifest.
const putManifest = "multipart-manifest=put"

// manifest returns a request with a manifest of segments.
func manifest(all []entry) (remote.Request, error) {
	body, err := json.Marshal(all)
	return remote.Request{Header: http.Header{}, Body: remote.BytesContent(body),
		Patience: time.Duration(len(all)) * looking}, err
}

// group puts manifests of the most segments that one can have, and returns them as segments of another one.
func (u *upload) group(ctx context.Context, upload string, level int, all []entry) (groups []entry, err error) {
	for some := range slices.Chunk(all, u.most) {
		r, err := manifest(some)
		if err != nil {
			return nil, err
		}
		r.Method = http.MethodPut
		name := fmt.Sprintf("%smanifest-%d-%08d", prefix(u.object, upload), level, len(groups))
		if _, err := u.do(ctx, u.segments(), name, putManifest, r); err != nil {
			return nil, err
		}
		group := entry{Path: "/" + u.segments() + "/" + name}
		for _, e := range some {
			group.Size += e.Size
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// Abort implements [remote.Upload]. It keeps segments that may be those of the object.
func (u *upload) Abort(ctx context.Context, upload string) error {
	if u.unknown {
		return nil
	}
	if id, err := u.requests.writeID(ctx, u.object); err != nil || id == upload {
		return err
	}
	all, err := u.list(ctx, prefix(u.object, upload))
	if err != nil {
		return err
	}
	errs := make([]error, len(all))
	var removals sync.WaitGroup
	turns := make(chan struct{}, 8)
	for i, o := range all {
		turns <- struct{}{}
		removals.Go(func() {
			defer func() { <-turns }()
			_, err := u.do(ctx, u.segments(), o.Name, "", remote.Request{Method: http.MethodDelete})
			if !errors.Is(err, fs.ErrNotExist) {
				errs[i] = err
			}
		})
	}
	removals.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Parts implements [remote.PartLister]. The object may consist of them, if the writer was interrupted after that.
func (u *upload) Parts(ctx context.Context, upload string) (parts []remote.Part, err error) {
	if id, err := u.requests.writeID(ctx, u.object); err != nil || id == upload {
		return nil, err
	}
	all, err := u.list(ctx, prefix(u.object, upload))
	for _, e := range all {
		number, numberErr := strconv.Atoi(strings.TrimPrefix(e.Name, prefix(u.object, upload)))
		if numberErr == nil { // else it is a manifest
			parts = append(parts, remote.Part{Number: number, Size: e.Size, Receipt: string(e.Version)})
		}
	}
	return parts, err
}

// Same implements [remote.PartLister].
func (u *upload) Same(p remote.Part, c *remote.Content) (bool, error) {
	sum, err := c.MD5()
	return hex.EncodeToString(sum) == p.Receipt, err
}

// Published implements [remote.Replacer]: it removes the segments of the object that was replaced.
func (u *upload) Published(ctx context.Context) error {
	if u.before == "" {
		return nil
	}
	u.unknown = false
	return u.Abort(ctx, u.before)
}
