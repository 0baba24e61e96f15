package az

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// sign signs a request with the shared key of an account.
func sign(r *http.Request, account string, key []byte) error {
	r.Header.Set("X-Ms-Date", time.Now().UTC().Format(http.TimeFormat))
	text, err := toSign(r, account)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	r.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return nil
}

// toSign returns the text of a request of which the signature is made: its method, eleven headers, all those that begin with
// x-ms-, the path and the query.
func toSign(r *http.Request, account string) (string, error) {
	var b strings.Builder
	b.WriteString(r.Method + "\n")
	for _, name := range []string{"Content-Encoding", "Content-Language", "Content-Length", "Content-MD5",
		"Content-Type", "Date", "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"} {
		if name == "Content-Length" && r.ContentLength > 0 {
			fmt.Fprint(&b, r.ContentLength)
		}
		b.WriteString(r.Header.Get(name) + "\n")
	}
	lines := map[string]string{}
	for name, values := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-ms-") {
			lines[name] = name + ":" + strings.TrimSpace(strings.Join(values, ",")) + "\n"
		}
	}
	b.WriteString(sorted(lines) + "/" + account + r.URL.EscapedPath())
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return "", fmt.Errorf("the query cannot be signed: %w", err)
	}
	clear(lines)
	for name, values := range query {
		slices.Sort(values)
		lines[strings.ToLower(name)] = "\n" + strings.ToLower(name) + ":" + strings.Join(values, ",")
	}
	b.WriteString(sorted(lines))
	return b.String(), nil
}

// sorted joins texts in the order of their names.
func sorted(texts map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		b.WriteString(texts[name])
	}
	return b.String()
}
