package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// FileScheme is the scheme of local files, and of names without a scheme.
const FileScheme = "file"

// Split splits a URL into its scheme and the rest after "://". For a path it returns FileScheme and the path.
func Split(name string) (scheme, rest string) {
	scheme, rest, ok := strings.Cut(name, "://")
	if !ok || strings.ContainsRune(scheme, '/') {
		return FileScheme, name
	}
	return scheme, rest
}

// errFileURL is the ErrName of a file:// URL of another machine, or with a path that is not absolute.
var errFileURL = fmt.Errorf("%w: the URL of a file on this machine is file:///PATH", ErrName)

// Path returns the local path for a name: the name itself, or what follows file:// or file://localhost in it. The error is
// ErrScheme if the name is not that of a local file.
func Path(name string) (string, error) {
	scheme, rest := Split(name)
	switch {
	case scheme != FileScheme:
		return "", &SchemeError{Scheme: scheme}
	case rest == name:
		return name, nil
	}
	if rest = strings.TrimPrefix(rest, "localhost"); !strings.HasPrefix(rest, "/") {
		return "", errFileURL
	}
	return rest, nil
}

// Absolute returns a name that means the same in every working directory. It does not clean the name, because .. after
// a symbolic link does not mean the directory before it.
func Absolute(name string) string {
	path, err := Path(name)
	if err != nil {
		return name
	}
	if wd, err := os.Getwd(); err == nil && path != "" && !filepath.IsAbs(path) {
		return wd + "/" + path
	}
	return path
}

// literal are the schemes whose names have no query: a question mark is part of the object's key.
const literal = " file s3 gs swift ais hf "

// CutQuery splits a name into the part that names the object and the rest: the query and the fragment of a URL of http or
// https, which begin with ? or #, or the query of one of az. Of other names the rest is empty.
func CutQuery(name string) (object, query string) {
	scheme, rest := Split(name)
	if strings.Contains(literal, " "+scheme+" ") {
		// A link of the Hub may have a token; a name of hf:// should not.
		if object, query, _ := strings.Cut(name, "?"); scheme == "hf" && strings.Contains(query, "token=") {
			return object, "?" + query
		}
		return name, ""
	}
	ends := "?#"
	if scheme == "az" {
		ends = "?"
	}
	if i := strings.IndexAny(rest, ends); i >= 0 {
		i += len(name) - len(rest)
		return name[:i], name[i:]
	}
	return name, ""
}

// Beside returns the name of the object whose name is that of another with suffix added. It keeps the query, which may
// hold what gives access to both.
func Beside(name, suffix string) string {
	object, query := CutQuery(name)
	return object + suffix + query
}

// IsRemote reports whether a name is that of an object which only its store can find, and not a local file.
func IsRemote(name string) bool {
	scheme, _ := Split(name)
	return scheme != FileScheme
}

// Redact returns a name without credentials and query, for messages and for all that is kept: no other form of a name
// leaves the process. A path is returned as it is.
func Redact(name string) string {
	scheme, rest, ok := strings.Cut(name, "://")
	if !ok || strings.ContainsRune(scheme, '/') || scheme == FileScheme {
		return name
	}
	rest = withoutUser(rest)
	name, _ = CutQuery(scheme + "://" + rest)
	return name
}

// withoutUser removes a user and password from what follows :// in a URL. A password that is not encoded may have
// slashes and question marks, which then seem to end the host; but then what seems to be the port is no number.
func withoutUser(rest string) string {
	end := len(rest)
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		end = i
	}
	if i := strings.LastIndexByte(rest[:end], '@'); i > 0 { // ais://@CLUSTER/ names no user
		return rest[i+1:]
	}
	colon := strings.IndexByte(rest[:end], ':')
	if strings.HasPrefix(rest, "[") {
		colon = strings.LastIndexByte(rest[:end], ':')
	}
	if colon < 0 || strings.HasSuffix(rest[:end], "]") || strings.Trim(rest[colon+1:end], "0123456789") == "" {
		return rest
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		return rest[i+1:]
	}
	return rest[:colon] + rest[end:]
}
