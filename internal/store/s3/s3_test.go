package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// environment clears what the machine has of AWS, and sets variables, in the form NAME=VALUE.
func environment(t *testing.T, variables ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	none := filepath.Join(t.TempDir(), "none")
	for _, v := range append([]string{"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + none,
		"AWS_SHARED_CREDENTIALS_FILE=" + none}, variables...) {
		if name, value, ok := strings.Cut(v, "="); ok {
			t.Setenv(name, value)
		}
	}
}

func TestLocate(t *testing.T) {
	for _, tt := range []struct {
		variables []string
		name, url string
	}{
		{nil, "s3://bucket/a/b.tar", "https://bucket.s3.us-east-1.amazonaws.com/a/b.tar"},
		{[]string{"AWS_REGION=eu-west-3"}, "s3://bucket/a", "https://bucket.s3.eu-west-3.amazonaws.com/a"},
		{[]string{"AWS_DEFAULT_REGION=cn-north-1"}, "s3://bucket/a", "https://bucket.s3.cn-north-1.amazonaws.com.cn/a"},
		{nil, "s3://my.bucket/a", "https://s3.us-east-1.amazonaws.com/my.bucket/a"},
		{nil, "s3://Old_Bucket/a", "https://s3.us-east-1.amazonaws.com/Old_Bucket/a"},
		{nil, "s3://bucket//a//../.", "https://bucket.s3.us-east-1.amazonaws.com//a//../."},
		{nil, "s3://bucket/a+b c?d#e%20é\xff*[]", "https://bucket.s3.us-east-1.amazonaws.com" +
			"/a%2Bb%20c%3Fd%23e%2520%C3%A9%FF%2A%5B%5D"},
		{[]string{"AWS_ENDPOINT_URL=http://h:9000"}, "s3://bucket/a/", "http://h:9000/bucket/a/"},
		{[]string{"AWS_ENDPOINT_URL=http://h:9000", "AWS_ENDPOINT_URL_S3=https://i/s3/"}, "s3://bucket/a",
			"https://i/s3/bucket/a"},
		{[]string{"AWS_ENDPOINT_URL=http://h:9000", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true"}, "s3://bucket/a",
			"https://bucket.s3.us-east-1.amazonaws.com/a"},
		{[]string{"AWS_ENDPOINT_URL=http://h:9000", "AWS_VIRTUAL_HOSTING=YES"}, "s3://bucket/a",
			"http://bucket.h:9000/a"},
	} {
		t.Run(tt.url, func(t *testing.T) {
			environment(t, tt.variables...)
			s := &Service{Getenv: os.Getenv}
			p, err := s.Locate(t.Context(), tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if p.URL.String() != tt.url {
				t.Errorf("%q %s: %s", tt.variables, tt.name, p.URL)
			}
			_, key, _ := strings.Cut(strings.TrimPrefix(tt.name, "s3://"), "/")
			if !strings.HasSuffix(p.URL.Path, "/"+key) {
				t.Errorf("%s: the path is %q", tt.name, p.URL.Path)
			}
		})
	}
}

func TestLocateRefuses(t *testing.T) {
	for _, tt := range []struct{ variable, name, want string }{
		{"", "s3://bucket", "malformed: a bucket without a key"},
		{"", "s3://bucket/", "malformed: a bucket without a key"},
		{"", "s3://", "malformed: want s3://BUCKET/KEY"},
		{"", "s3:///key", "malformed: want s3://BUCKET/KEY"},
		{"", "s3://../key", "malformed: want s3://BUCKET/KEY"},
		{"", "s3://evil.com?/key", "malformed: want s3://BUCKET/KEY"},
		{"", "s3://user:secret@bucket/key", "malformed: want s3://BUCKET/KEY"},
		{"", "gs://bucket/key", "unknown kind of URL"},
		{"AWS_REGION=a.evil.com/", "s3://bucket/key", "AWS_REGION"},
		{"AWS_ENDPOINT_URL=secret", "s3://bucket/key", "the endpoint of S3"},
		{"AWS_ENDPOINT_URL_S3=https://user:secret@h", "s3://bucket/key", "the endpoint of S3"},
		{"AWS_NO_SIGN_REQUEST=maybe", "s3://bucket/key", "AWS_NO_SIGN_REQUEST"},
		{"AWS_PROFILE=none", "s3://bucket/key", `no profile "none"`},
	} {
		t.Run(tt.variable+tt.name, func(t *testing.T) {
			environment(t, tt.variable)
			_, err := (&Service{Getenv: os.Getenv}).Locate(t.Context(), tt.name)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v, want %s", err, tt.want)
			}
			if !errors.Is(err, store.ErrName) && !errors.Is(err, store.ErrScheme) {
				t.Errorf("%v is no mistake of the user", err)
			}
		})
	}
}

// What is in the files of Amazon's tools counts as it does for those.
func TestProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	write(t, file, `
[default]
region = eu-central-1
[profile lab]
region = garage
endpoint_url = http://other
services = lab
aws_access_key_id = AKIDPROFILE
aws_secret_access_key = s
[services lab]
s3 =
  endpoint_url = http://lab:3900
`)
	for _, tt := range []struct {
		variables     []string
		url, key, reg string
	}{
		{nil, "https://b.s3.eu-central-1.amazonaws.com/k", "", ""},
		{[]string{"AWS_PROFILE=lab"}, "http://lab:3900/b/k", "AKIDPROFILE", "garage"},
		{[]string{"AWS_PROFILE=lab", "AWS_REGION=r", "AWS_ACCESS_KEY_ID=AKIDENV", "AWS_SECRET_ACCESS_KEY=s"},
			"http://lab:3900/b/k", "AKIDENV", "r"},
		{[]string{"AWS_PROFILE=lab", "AWS_NO_SIGN_REQUEST=YES"}, "http://lab:3900/b/k", "", ""},
	} {
		environment(t, append(tt.variables, "AWS_CONFIG_FILE="+file)...)
		p, err := (&Service{Getenv: os.Getenv}).Locate(t.Context(), "s3://b/k")
		if err != nil || p.URL.String() != tt.url {
			t.Errorf("%q: %v, %v", tt.variables, p, err)
			continue
		}
		if tt.key == "" {
			if _, err := request(t, p); tt.variables != nil && err != nil {
				t.Errorf("%q: %v", tt.variables, err)
			} else if tt.variables == nil && !errors.Is(err, fs.ErrPermission) {
				t.Errorf("without credentials: %v", err)
			}
			continue
		}
		r, err := request(t, p)
		if err != nil || !strings.Contains(r.Header.Get("Authorization"), "Credential="+tt.key+"/") ||
			!strings.Contains(r.Header.Get("Authorization"), "/"+tt.reg+"/s3/aws4_request") {
			t.Errorf("%q: %v, %v", tt.variables, r, err)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// request returns a request as the engine sends it.
func request(t *testing.T, p *remote.Place) (*http.Request, error) {
	t.Helper()
	u := *p.URL
	r := (&http.Request{Method: "GET", URL: &u, Host: u.Host, Header: make(http.Header)}).WithContext(t.Context())
	r.Header.Set("Range", "bytes=0-9")
	r.Header.Set("Accept-Encoding", "identity")
	for name, values := range p.Header {
		r.Header[name] = values
	}
	if p.Sign != nil {
		if err := p.Sign(t.Context(), r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// The signature covers what it must, and nothing that is changed on the way.
func TestSign(t *testing.T) {
	environment(t, "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=s", "AWS_SESSION_TOKEN=token",
		"AWS_REQUEST_PAYER=requester")
	p, err := (&Service{Getenv: os.Getenv}).Locate(t.Context(), "s3://b/k")
	if err != nil {
		t.Fatal(err)
	}
	r, err := request(t, p)
	if err != nil {
		t.Fatal(err)
	}
	signed := "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-request-payer;x-amz-security-token,"
	if got := r.Header.Get("Authorization"); !strings.Contains(got, signed) {
		t.Errorf("Authorization: %s", got)
	}
	if r.Header.Get("Range") == "" || r.Header.Get("Accept-Encoding") == "" ||
		r.Header.Get("X-Amz-Security-Token") != "token" {
		t.Errorf("headers: %v", r.Header)
	}
}

// Credentials that were refused are read again, once for all requests that were refused with them.
func TestRenew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	entry := "[default]\naws_access_key_id = AKID%d\naws_secret_access_key = s\naws_session_token = t%[1]d\n"
	write(t, file, fmt.Sprintf(entry, 1))
	environment(t, "AWS_SHARED_CREDENTIALS_FILE="+file)
	s := &Service{}
	p, err := s.Locate(t.Context(), "s3://b/k")
	if err != nil {
		t.Fatal(err)
	}
	refused, err := request(t, p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Renew(t.Context(), refused) {
		t.Error("credentials that are the same are renewed")
	}
	write(t, file, fmt.Sprintf(entry, 2))
	if p.Renew(t.Context(), refused) {
		t.Error("credentials are read a third time at once")
	}
	s.renewed = time.Now().Add(-2 * renewEvery)
	for range 3 {
		if !p.Renew(t.Context(), refused) {
			t.Error("credentials are not renewed")
		}
	}
	r, err := request(t, p)
	if err != nil || !strings.Contains(r.Header.Get("Authorization"), "AKID2/") {
		t.Errorf("after Renew: %v, %v", r, err)
	}
	s.renewed = time.Now().Add(-2 * renewEvery)
	if p.Renew(t.Context(), r) {
		t.Error("credentials that are the same are renewed, later")
	}
}

// Credentials that end as soon as they were read are read once more.
func TestRenewAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	const entry = "[default]\naws_access_key_id = AKID%d\naws_secret_access_key = s\n"
	write(t, file, fmt.Sprintf(entry, 1))
	environment(t, "AWS_SHARED_CREDENTIALS_FILE="+file)
	p, err := (&Service{}).Locate(t.Context(), "s3://b/k")
	if err != nil {
		t.Fatal(err)
	}
	refused, err := request(t, p)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, fmt.Sprintf(entry, 2))
	if !p.Renew(t.Context(), refused) {
		t.Error("credentials are not renewed")
	}
}

func TestFault(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		code   string
		is     error
		retry  bool
		hint   bool
	}{
		{404, "<Error><Code>NoSuchKey</Code></Error>", "NoSuchKey", nil, false, false},
		{404, "<Error><Code>NoSuchBucket</Code></Error>", "NoSuchBucket", remote.ErrNoBucket, false, true},
		{403, "<?xml version=\"1.0\"?>\n<Error xmlns=\"x\"><Code>InvalidObjectState</Code></Error>",
			"InvalidObjectState", fs.ErrPermission, false, true},
		{400, "<Error><Code>ExpiredToken</Code></Error>", "ExpiredToken", fs.ErrPermission, false, true},
		{503, "<Error><Code>SlowDown</Code></Error>", "SlowDown", nil, true, false},
		{403, "<html><body>no", "", nil, false, false},
		{500, "", "", nil, false, false},
	} {
		f := fault(tt.status, nil, []byte(tt.body))
		if f.Code != tt.code || f.Err != tt.is || f.Retry != tt.retry || (f.Hint != "") != tt.hint {
			t.Errorf("%s: %+v", tt.body, f)
		}
	}
}

// That an object is missing is not certain where Swift says so.
func TestUnsure(t *testing.T) {
	swift := http.Header{"X-Openstack-Request-Id": {"tx1"}}
	const missing = "<Error><Code>NoSuchKey</Code></Error>"
	for _, tt := range []struct {
		status int
		header http.Header
		body   string
		want   bool
	}{
		{404, swift, missing, true}, {404, nil, missing, false}, {403, swift, "", false},
		{404, swift, "<Error><Code>NoSuchBucket</Code></Error>", false},
	} {
		if f := fault(tt.status, tt.header, []byte(tt.body)); f.Unsure != tt.want {
			t.Errorf("%d %v %s: %+v", tt.status, tt.header, tt.body, f)
		}
	}
}

// A bucket is looked for where a server says that it is, and next time at once.
func TestMoved(t *testing.T) {
	environment(t, "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=s")
	const malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>%s</Region></Error>"
	for _, tt := range []struct {
		status             int
		header, body, want string
	}{
		{301, "eu-west-1", "", "eu-west-1"},
		{400, "", fmt.Sprintf(malformed, "eu-west-2"), "eu-west-2"},
		{403, "eu-west-3", "<Error><Code>AccessDenied</Code></Error>", "eu-west-3"},
		{301, "us-east-1", "", ""}, // where it was asked for
		{404, "eu-west-1", "", ""},
		{301, "evil.com/", "", ""},
		{400, "", fmt.Sprintf(malformed, "a.evil.com"), ""},
		{400, "", "<Error><Code>InvalidRequest</Code></Error>", ""},
	} {
		s := &Service{}
		p, err := s.Locate(t.Context(), "s3://b/k")
		if err != nil {
			t.Fatal(err)
		}
		p.URL.RawQuery = "list-type=2"
		header := make(http.Header)
		header.Set("X-Amz-Bucket-Region", tt.header)
		next := p.Moved(tt.status, header, []byte(tt.body))
		if tt.want == "" {
			if next != nil {
				t.Errorf("%+v: moved to %s", tt, next.URL)
			}
			continue
		}
		if next == nil || next.URL.String() != "https://b.s3."+tt.want+".amazonaws.com/k?list-type=2" {
			t.Errorf("%+v: moved to %+v", tt, next)
			continue
		}
		r, err := request(t, next)
		if err != nil || !strings.Contains(r.Header.Get("Authorization"), "/"+tt.want+"/s3/") {
			t.Errorf("%+v: %v, %v", tt, r, err)
		}
		if again, err := s.Locate(t.Context(), "s3://b/other"); err != nil || again.URL.Host != next.URL.Host {
			t.Errorf("%+v: the next object is at %v, %v", tt, again, err)
		}
	}
}

// Pages are followed, and what is wrong with one is an error.
func TestList(t *testing.T) {
	environment(t, "AWS_NO_SIGN_REQUEST=1")
	const object = "<Contents><Key>%s</Key><Size>1</Size><LastModified>2026-01-02T03:04:05Z</LastModified></Contents>"
	page := func(next string, keys ...string) string {
		text := "<ListBucketResult><EncodingType>url</EncodingType>"
		for _, key := range keys {
			text += fmt.Sprintf(object, key)
		}
		if next != "" {
			text += "<IsTruncated>true</IsTruncated><NextContinuationToken>" + next + "</NextContinuationToken>"
		}
		return text + "</ListBucketResult>"
	}
	for _, tt := range []struct {
		name  string
		pages map[string]string // by token
		want  string
		err   string
	}{
		{"two pages, out of order", map[string]string{"": page("n+/=", "k/c", "k/a+b"), "n+/=": page("",
			"k/b%2B", "k/c")},
			"k/a b k/b+ k/c", ""},
		{"empty", map[string]string{"": page("")}, "", ""},
		{"no XML", map[string]string{"": "<html>"}, "", "the listing cannot be read"},
		{"another document", map[string]string{"": "<Error/>"}, "", "the listing cannot be read"},
		{"one page for ever", map[string]string{"": page("n", "k/a"), "n": page("n", "k/b")}, "",
			"does not go on"},
		{"cut", map[string]string{"": "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}, "",
			"it is cut"},
		{"another prefix", map[string]string{"": page("", "j/a")}, "", "not asked for"},
		{"wrong encoding", map[string]string{"": page("", "k/%zz")}, "", "not encoded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			do := func(_ context.Context, p *remote.Place) (http.Header, []byte, error) {
				q, err := url.ParseQuery(p.URL.RawQuery)
				if err != nil || q.Get("prefix") != "k/" || q.Get("list-type") != "2" {
					t.Errorf("asked for %s", p.URL)
				}
				return nil, []byte(tt.pages[q.Get("continuation-token")]), nil
			}
			var got []string
			var failed error
			for e, err := range (&Service{Getenv: os.Getenv}).List(t.Context(), "s3://b/k/", do) {
				if failed = err; err == nil {
					got = append(got, strings.TrimPrefix(e.Name, "s3://b/"))
				}
			}
			if strings.Join(got, " ") != tt.want || (failed == nil) != (tt.err == "") {
				t.Errorf("%q, %v", got, failed)
			}
			if failed != nil &&
				(!strings.Contains(failed.Error(), tt.err) || !errors.Is(failed, store.ErrUnreachable)) {
				t.Errorf("%v, want %s", failed, tt.err)
			}
		})
	}
}
