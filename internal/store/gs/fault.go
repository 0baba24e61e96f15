package gs

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"

	"github.com/shardfs/shardfs/internal/store/remote"
)

// answered is the error in the body of an answer of the API. Where the object itself was asked for, the body may be the
// message only.
type answered struct {
	Error struct {
		Message string `json:"message"`
		Errors  []struct {
			Reason string `json:"reason"`
		} `json:"errors"`
	} `json:"error"`
}

// noBucket is the hint about a missing bucket.
const noBucket = "there is no such bucket"

// fault explains an answer by the reason or the message in its body.
func (set *settings) fault(status int, _ http.Header, body []byte) remote.Fault {
	var a answered
	if json.Unmarshal(body, &a) != nil || a.Error.Message == "" {
		a.Error.Message = string(body)
	}
	var f remote.Fault
	if len(a.Error.Errors) > 0 {
		f.Code = a.Error.Errors[0].Reason
	}
	switch {
	case status == http.StatusNotFound && strings.Contains(a.Error.Message, "bucket does not exist"):
		f.Code, f.Err, f.Hint = "bucket not found", remote.ErrNoBucket, noBucket
	case strings.Contains(a.Error.Message, "requester pays"):
		f.Err, f.Hint = fs.ErrPermission,
			"the bucket's readers pay: GOOGLE_CLOUD_QUOTA_PROJECT=PROJECT names who does"
	case status == http.StatusBadRequest && strings.Contains(a.Error.Message, "doesn't match calculated"):
		f.Code, f.Retry = "another checksum", true
	case f.Code == "rateLimitExceeded", f.Code == "userRateLimitExceeded": // may come with 403
		f.Retry = true
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && set.isAnonymous():
		f.Hint = "the request was anonymous; gcloud auth application-default login makes credentials, and " +
			"GOOGLE_APPLICATION_CREDENTIALS names a file of them"
	case status == http.StatusUnauthorized:
		f.Hint = "the token has expired, or is of no use here"
	}
	return f
}

// isAnonymous reports whether requests have no credentials.
func (set *settings) isAnonymous() bool { return set.tokens == nil || set.tokens.IsAnonymous() }
