package store

import (
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

// Path returns the local path for a name: the name itself, or what follows file:// in it. The error is ErrScheme if the
// name is not that of a local file.
func Path(name string) (string, error) {
	scheme, rest := Split(name)
	if scheme != FileScheme || rest != name && !strings.HasPrefix(rest, "/") {
		return "", &SchemeError{Scheme: scheme}
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

// Redact returns a name without credentials and query, for messages.
func Redact(name string) string {
	scheme, rest, ok := strings.Cut(name, "://")
	if !ok || strings.ContainsRune(scheme, '/') {
		return name
	}
	rest, _, _ = strings.Cut(rest, "?")
	host, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	if slash {
		host += "/"
	}
	return scheme + "://" + host + path
}
