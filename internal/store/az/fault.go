package az

import (
	"io/fs"
	"net/http"
	"net/url"

	"github.com/shardfs/shardfs/internal/store/remote"
)

// meanings are what codes mean, where the status does not say so, or not all.
var meanings = map[string]remote.Fault{
	"ContainerNotFound":           {Err: remote.ErrNoBucket, Hint: "there is no such container"},
	"ContainerBeingDeleted":       {Err: remote.ErrNoBucket},
	"AccountIsDisabled":           {Err: fs.ErrPermission},
	"PublicAccessNotPermitted":    {Err: fs.ErrPermission, Hint: needed},
	"NoAuthenticationInformation": {Err: fs.ErrPermission, Hint: needed},
	"AuthorizationPermissionMismatch": {Err: fs.ErrPermission,
		Hint: "reading needs the role Storage Blob Data Reader, or r in the signature; writing Storage Blob Data " +
			"Contributor, or rcw"},
	"KeyBasedAuthenticationNotPermitted": {Err: fs.ErrPermission,
		Hint: "the account takes no keys: unset AZURE_STORAGE_KEY, and log in by az login"},
	"BlobArchived": {Err: fs.ErrPermission,
		Hint: "the blob is archived; az storage blob set-tier --tier Hot makes it readable after some hours"},
	"BlobAlreadyExists": {Err: remote.ErrCondition},
	"InvalidBlockList":  {Err: remote.ErrNoUpload}, // another list was committed, which has removed the blocks
	"InvalidBlobOrBlock": {Hint: "another program has left blocks of an unfinished upload there, which Azure removes " +
		"after a week: write to another name"},
	"Md5Mismatch":       {Retry: true},
	"Crc64Mismatch":     {Retry: true},
	"ServerBusy":        {Retry: true},
	"InternalError":     {Retry: true},
	"OperationTimedOut": {Retry: true},
}

// needed is the hint for a request without credentials.
const needed = "the request was anonymous; az login, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN give access"

// fault explains an answer by the code in its header.
func fault(a account, status int, header http.Header) remote.Fault {
	code := header.Get("X-Ms-Error-Code")
	f := meanings[code]
	f.Code = code
	switch {
	case f.Hint != "" || status != http.StatusUnauthorized && status != http.StatusForbidden &&
		code != "ResourceNotFound":
	case a.signature != "":
		f.Hint = "the shared access signature has expired, or does not permit it"
		if v, err := url.ParseQuery(a.signature); err == nil && v.Get("se") != "" {
			f.Hint = "the shared access signature is good until " + v.Get("se") + ", or does not permit it"
		}
	case a.key == nil && (a.tokens == nil || a.tokens.IsAnonymous()): // Azure hides what exists by ResourceNotFound
		f.Hint = needed
	}
	return f
}
