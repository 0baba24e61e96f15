package s3

import (
	"encoding/xml"
	"errors"
	"io/fs"
	"net/http"
	"syscall"

	"github.com/shardfs/shardfs/internal/store/remote"
)

// answered is the error in the body of an answer.
type answered struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Region  string
}

func readError(body []byte) (e answered) {
	if xml.Unmarshal(body, &e) != nil {
		return answered{}
	}
	return e
}

// meanings are what codes mean, where the status does not say so, or not all.
var meanings = map[string]remote.Fault{
	"NoSuchBucket": {Err: remote.ErrNoBucket,
		Hint: "there is no such bucket; AWS_ENDPOINT_URL_S3 says where it is, if not at Amazon"},
	"AllAccessDisabled":     {Err: fs.ErrPermission},
	"AccountProblem":        {Err: fs.ErrPermission},
	"ExpiredToken":          {Err: fs.ErrPermission, Hint: "the credentials have expired"},
	"ExpiredTokenException": {Err: fs.ErrPermission, Hint: "the credentials have expired"},
	"TokenRefreshRequired":  {Err: fs.ErrPermission, Hint: "the credentials have expired"},
	"RequestExpired": {Err: fs.ErrPermission,
		Hint: "the credentials have expired, or the clock of this machine is wrong"},
	"SignatureDoesNotMatch": {Err: fs.ErrPermission, Hint: "the secret key is not that of the access key"},
	"InvalidAccessKeyId":    {Err: fs.ErrPermission, Hint: "the access key is unknown there"},
	"XAdminUserNotFound":    {Err: fs.ErrPermission, Hint: "the access key is unknown there"}, // 404 of versitygw
	"InvalidToken":          {Err: fs.ErrPermission, Hint: "AWS_SESSION_TOKEN is not that of the access key"},
	"RequestTimeTooSkewed":  {Err: fs.ErrPermission, Hint: "the clock of this machine is wrong"},
	"InvalidObjectState": {Err: fs.ErrPermission,
		Hint: "the object is archived; aws s3api restore-object makes it readable after some hours"},
	"SlowDown":             {Retry: true},
	"RequestLimitExceeded": {Retry: true},
	"Throttling":           {Retry: true},
	"InternalError":        {Retry: true},
	"RequestTimeout":       {Retry: true},
	"ServiceUnavailable":   {Retry: true},
}

// errArgument means that a server does not take an argument of a request.
var errArgument = errors.New("an argument is not supported")

// writing are what codes mean in answers to requests that write, before meanings.
var writing = map[string]remote.Fault{
	"AccessDenied": {Err: fs.ErrPermission,
		Hint: "writing needs s3:PutObject, s3:GetObject and s3:ListBucket"},
	"NoSuchUpload":       {Err: remote.ErrNoUpload},
	"PreconditionFailed": {Err: remote.ErrCondition},
	// Two writers at the same time: which one has won is seen by looking.
	"ConditionalRequestConflict":     {Err: remote.ErrCondition},
	"OperationAborted":               {Retry: true},
	"NotImplemented":                 {Err: errors.ErrUnsupported},
	"InvalidArgument":                {Err: errArgument},
	"InvalidRequest":                 {Err: errArgument},
	"BadDigest":                      {Retry: true}, // bytes were changed on the way
	"XAmzContentChecksumMismatch":    {Retry: true},
	"QuotaExceeded":                  {Err: syscall.EDQUOT},
	"XMinioAdminBucketQuotaExceeded": {Err: syscall.EDQUOT},
	"XMinioStorageFull":              {Err: syscall.ENOSPC},
	"InsufficientStorage":            {Err: syscall.ENOSPC},
}

// fault explains an answer by the code in its body.
func fault(status int, header http.Header, body []byte) remote.Fault {
	code := readError(body).Code
	f := meanings[code]
	f.Code = code
	// OpenStack Swift, see findings/swift-not-found-while-overwritten.sh.
	f.Unsure = status == http.StatusNotFound && f.Err == nil && header.Get("X-Openstack-Request-Id") != ""
	return f
}

// unsigned explains an answer to a request without credentials.
func unsigned(status int, header http.Header, body []byte) remote.Fault {
	f := fault(status, header, body)
	if f.Hint == "" && status == http.StatusForbidden {
		f.Hint = "credentials are not used, because AWS_NO_SIGN_REQUEST is set"
	}
	return f
}

// movedTo returns the region of a bucket from the refusal of a request for another one, or "".
func movedTo(status int, header http.Header, body []byte) string {
	switch status {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest, http.StatusForbidden:
	default:
		return ""
	}
	region := header.Get("X-Amz-Bucket-Region")
	if region == "" {
		region = readError(body).Region
	}
	if !isRegion(region) {
		return ""
	}
	return region
}

// isRegion reports whether a text can be the name of a region. It becomes a part of a host name.
func isRegion(text string) bool {
	for _, c := range []byte(text) {
		if !isAlphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return len(text) >= 1 && len(text) <= 63
}
