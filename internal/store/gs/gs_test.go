package gs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// with returns a service in an environment.
func with(env map[string]string) *Service {
	return &Service{Getenv: func(name string) string { return env[name] }}
}

// Where names are, and which are none.
func TestLocate(t *testing.T) {
	for _, tt := range []struct {
		env        map[string]string
		name, want string
	}{
		{nil, "gs://b/a.tar", "https://storage.googleapis.com/storage/v1/b/b/o/a.tar?alt=media"},
		{nil, "gs://b.example.com/d/a b+c.tar",
			"https://storage.googleapis.com/storage/v1/b/b.example.com/o/d%2Fa%20b+c.tar?alt=media"},
		{nil, "gs://b/a?x#y%2f..", "https://storage.googleapis.com/storage/v1/b/b/o/a%3Fx%23y%252f..?alt=media"},
		{nil, "gs://b/../o//\n\xff", "https://storage.googleapis.com/storage/v1/b/b/o/..%2Fo%2F%2F%0A%FF?alt=media"},
		{map[string]string{"STORAGE_EMULATOR_HOST": "127.0.0.1:4443"}, "gs://b/a",
			"http://127.0.0.1:4443/storage/v1/b/b/o/a?alt=media"},
		{map[string]string{"STORAGE_EMULATOR_HOST": "http://h:1/x/storage/v1/"}, "gs://b/a",
			"http://h:1/x/storage/v1/b/b/o/a?alt=media"},
		{map[string]string{"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "https://storage-x.p.googleapis.com/"},
			"gs://b/a",
			"https://storage-x.p.googleapis.com/storage/v1/b/b/o/a?alt=media"},
		{nil, "gs://", ""}, {nil, "gs://b", ""}, {nil, "gs://b/", ""}, {nil, "gs:///a", ""}, {nil, "gs://B/a", ""},
		{nil, "gs://u:p@b/a", ""}, {nil, "gs://b?x/a", ""}, {nil, "gs://b%2f/a", ""}, {nil, "s3://b/a", ""},
		{map[string]string{"STORAGE_EMULATOR_HOST": "http://u:p@h"}, "gs://b/a", ""},
		{map[string]string{"STORAGE_EMULATOR_HOST": "ftp://h"}, "gs://b/a", ""},
		{map[string]string{"GS_NO_SIGN_REQUEST": "maybe"}, "gs://b/a", ""},
	} {
		p, err := with(tt.env).Locate(t.Context(), tt.name)
		switch {
		case tt.want == "":
			if !(errors.Is(err, store.ErrName) || errors.Is(err, store.ErrScheme)) || strings.Contains(err.Error(),
				":p@") {
				t.Errorf("%q: %v", tt.name, err)
			}
		case err != nil || p.URL.String() != tt.want || p.URL.Query().Get("alt") != "media":
			t.Errorf("%q: %v, %v, want %s", tt.name, p, err, tt.want)
		case p.Header.Get("Accept-Encoding") != "gzip":
			t.Errorf("%q: the service would unpack", tt.name)
		}
	}
}

// What an answer says of the version.
func TestPin(t *testing.T) {
	date := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		answer map[string]string
		want   remote.Pin
		query  string
	}{
		{map[string]string{"X-Goog-Generation": "1764489600000000", "Last-Modified": "Mon, 30 Nov 2026 08:00:00 GMT",
			"X-Goog-Stored-Content-Encoding": "identity", "ETag": "CJj="},
			remote.Pin{Version: "1764489600000000", Strong: true, ModTime: date}, "generation=1764489600000000"},
		{map[string]string{"X-Goog-Generation": "5", "X-Goog-Stored-Content-Encoding": "gzip",
			"Content-Encoding": "gzip"},
			remote.Pin{Version: "5", Strong: true, Encoding: "gzip"}, "generation=5"},
		{map[string]string{"X-Goog-Generation": "5&x=y"}, remote.Pin{Version: "5&x=y", Strong: true},
			"generation=5%26x%3Dy"},
		{map[string]string{"ETag": `"abc"`}, remote.Pin{}, ""},
	} {
		h := make(http.Header)
		for name, value := range tt.answer {
			h.Set(name, value)
		}
		got := pin(h)
		if got.Version != tt.want.Version || got.Strong != tt.want.Strong || !got.ModTime.Equal(tt.want.ModTime) ||
			got.Encoding != tt.want.Encoding || got.Query.Encode() != tt.query || got.Header != nil {
			t.Errorf("%v: %+v", tt.answer, got)
		}
	}
}

// What errors mean, in the words of the JSON API and of media requests, which are not the same.
func TestFault(t *testing.T) {
	const reason = `{"error":{"code":%d,"message":%q,"errors":[{"message":"m","domain":"global","reason":%q}]}}`
	for _, tt := range []struct {
		status int
		body   string
		want   remote.Fault
	}{
		{404, "No such object: b/a", remote.Fault{}},
		{404, fmt.Sprintf(reason, 404, "No such object: b/a", "notFound"), remote.Fault{Code: "notFound"}},
		{404, "The specified bucket does not exist.", remote.Fault{Code: "bucket not found", Err: fs.ErrNotExist}},
		{404, fmt.Sprintf(reason, 404, "The specified bucket does not exist.", "notFound"),
			remote.Fault{Code: "bucket not found", Err: fs.ErrNotExist}},
		{400, fmt.Sprintf(reason, 400, "Bucket is a requester pays bucket but no user project provided.", "required"),
			remote.Fault{Code: "required", Err: fs.ErrPermission}},
		{403, fmt.Sprintf(reason, 403, "slow down", "rateLimitExceeded"), remote.Fault{Code: "rateLimitExceeded",
			Retry: true}},
		{403, fmt.Sprintf(reason, 403, "no", "forbidden"), remote.Fault{Code: "forbidden"}},
		{401, "", remote.Fault{}},
		{500, `{"error":"x"}`, remote.Fault{}},
	} {
		set, err := load(func(string) string { return "" }, reading)
		if err != nil {
			t.Fatal(err)
		}
		got := set.fault(tt.status, nil, []byte(tt.body))
		if got.Code != tt.want.Code || !errors.Is(got.Err, tt.want.Err) || got.Retry != tt.want.Retry {
			t.Errorf("%d %s: %+v", tt.status, tt.body, got)
		}
	}
	set, err := load(func(name string) string {
		return map[string]string{"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "True"}[name]
	}, reading)
	if err != nil {
		t.Fatal(err)
	}
	if got := set.fault(401, nil, nil); !strings.Contains(got.Hint, "anonymous") {
		t.Errorf("an anonymous request: %q", got.Hint)
	}
}

// Listings come in pages, with names of any characters.
func TestList(t *testing.T) {
	pages := map[string]string{
		"": `{"kind":"storage#objects","nextPageToken":"t/1","items":[
			{"name":"d/b&\"<ü.tar","size":"7","generation":"3","updated":"2026-11-30T08:00:00.123Z"},
			{"name":"d/c","size":"0"}]}`,
		"t/1": `{"nextPageToken":"t2"}`, // a page may be empty
		"t2":  `{"items":[{"name":"d/a","size":"1"}]}`,
	}
	var asked []string
	do := func(_ context.Context, p *remote.Place) (http.Header, []byte, error) {
		q := p.URL.Query()
		asked = append(asked, p.URL.Path+" "+q.Get("prefix")+" "+q.Get("pageToken"))
		return nil, []byte(pages[q.Get("pageToken")]), nil
	}
	var got []string
	for e, err := range with(nil).List(t.Context(), "gs://b/d/", do) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Name, " ", e.Size, " ", e.Version, " ", e.ModTime.UnixMilli()))
	}
	want := []string{"gs://b/d/a 1  -62135596800000", "gs://b/d/b&\"<ü.tar 7 3 1796025600123",
		"gs://b/d/c 0  -62135596800000"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if want := []string{"/storage/v1/b/b/o d/ ", "/storage/v1/b/b/o d/ t/1",
		"/storage/v1/b/b/o d/ t2"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q", asked)
	}
	for _, bad := range []string{"<html>", `{"items":[{"name":"d/a"}]}`, `{"items":[{"name":"x","size":"1"}]}`,
		`{"items":[{"name":"d/a","size":"-1"}]}`, `{"nextPageToken":"t"}`} {
		do := func(context.Context, *remote.Place) (http.Header, []byte, error) { return nil, []byte(bad), nil }
		for _, err := range with(nil).List(t.Context(), "gs://b/d/", do) {
			if !errors.Is(err, store.ErrUnreachable) {
				t.Errorf("%s: %v", bad, err)
			}
		}
	}
}
