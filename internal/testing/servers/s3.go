package servers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The credentials and the region of each S3 server here.
const (
	Access = "AKIDOFTESTS"
	Secret = "secret/of+tests0123"
	Region = "us-east-1"
)

// S3 is a server of the S3 protocol.
type S3 struct {
	*Server
	access, secret string // if they are not Access and Secret
}

// Versitygw starts versitygw, which keeps objects as files.
func Versitygw(t testing.TB) *S3 {
	t.Helper()
	dir := dirs(t, "objects", "iam")
	s := command{program: "versitygw", dir: dir, args: func(port string) []string {
		return []string{"--keep-alive", "--quiet", "--port", "127.0.0.1:" + port,
			"--access", Access, "--secret", Secret, "--region", Region, "posix", filepath.Join(dir, "objects")}
	}}.start(t)
	s.Dir = filepath.Join(dir, "objects")
	return &S3{Server: s}
}

// Rclone starts rclone serve s3, which keeps objects as files.
func Rclone(t testing.TB) *S3 {
	t.Helper()
	slow(t, "rclone serve s3")
	dir := dirs(t, "objects")
	s := command{program: "rclone", dir: dir, args: func(port string) []string {
		return []string{"serve", "s3", "--config", "", "--auth-key", Access + "," + Secret,
			"--addr", "127.0.0.1:" + port, filepath.Join(dir, "objects")}
	}}.start(t)
	s.Dir = filepath.Join(dir, "objects")
	return &S3{Server: s}
}

// MinIO starts MinIO.
func MinIO(t testing.TB) *S3 {
	t.Helper()
	slow(t, "MinIO")
	dir := dirs(t, "objects")
	return &S3{Server: command{program: "minio", dir: dir, args: func(port string) []string {
		return []string{"server", "--quiet", "--address", "127.0.0.1:" + port, "--console-address", "127.0.0.1:0",
			filepath.Join(dir, "objects")}
	}, env: []string{"MINIO_ROOT_USER=" + Access, "MINIO_ROOT_PASSWORD=" + Secret}}.start(t)}
}

// Env returns the environment by which tools and shardfs find the server.
func (s *S3) Env() []string {
	access, secret := s.keys()
	return []string{"AWS_ENDPOINT_URL_S3=" + s.URL, "AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret,
		"AWS_REGION=" + Region}
}

func (s *S3) keys() (access, secret string) {
	if s.access == "" {
		return Access, Secret
	}
	return s.access, s.secret
}

// Sign signs a request anew that a proxy has got, whatever its credentials are.
func (s *S3) Sign(r *http.Request) error {
	bare := r.Clone(r.Context())
	bare.Header = http.Header{}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && name != "X-Amz-Security-Token" {
			bare.Header[name] = values
		}
	}
	r.Header.Del("X-Amz-Security-Token")
	if err := s.sign(bare, r.Header.Get("X-Amz-Content-Sha256")); err != nil {
		return err
	}
	maps.Copy(r.Header, bare.Header)
	return nil
}

// sign signs a request whose body has a hash.
func (s *S3) sign(r *http.Request, hash string) error {
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	var credentials aws.Credentials
	credentials.AccessKeyID, credentials.SecretAccessKey = s.keys()
	return signer.SignHTTP(r.Context(), credentials, r, hash, "s3", Region, time.Now())
}

// Bucket makes a bucket.
func (s *S3) Bucket(t testing.TB, name string) { s.do(t, "PUT", name, "", nil, nil) }

// Put makes or replaces an object of a bucket.
func (s *S3) Put(t testing.TB, bucket, key string, data []byte) {
	s.do(t, "PUT", bucket, key, nil, data)
}

// Get returns an object of a bucket.
func (s *S3) Get(t testing.TB, bucket, key string) []byte {
	return s.do(t, "GET", bucket, key, nil, nil)
}

// List returns the keys in a bucket, and KEY#UPLOAD of each upload that was begun and not ended. There must be less than
// 1000 of each.
func (s *S3) List(t testing.TB, bucket string) (names []string) {
	t.Helper()
	var list struct {
		Contents []struct{ Key string }
		Upload   []struct{ Key, UploadId string }
	}
	for _, query := range []url.Values{{"list-type": {"2"}}, {"uploads": {""}}} {
		status, text := s.ask(t, "GET", bucket, "", query, nil)
		if status == http.StatusNotFound && bytes.Contains(text, []byte("NoSuchUpload")) {
			continue // rclone, if there are none
		}
		if err := xml.Unmarshal(text, &list); err != nil || status/100 != 2 {
			t.Fatalf("%d: %s, %v", status, text, err)
		}
	}
	for _, object := range list.Contents {
		names = append(names, object.Key)
	}
	for _, u := range list.Upload {
		names = append(names, u.Key+"#"+u.UploadId)
	}
	return names
}

// Remove removes an object of a bucket.
func (s *S3) Remove(t testing.TB, bucket, key string) { s.do(t, "DELETE", bucket, key, nil, nil) }

// do sends a request about an object, or about a bucket if key is empty, and returns what is answered. An answer that is
// no success ends the test.
func (s *S3) do(t testing.TB, method, bucket, key string, query url.Values, body []byte) []byte {
	t.Helper()
	status, text := s.ask(t, method, bucket, key, query, body)
	if status/100 != 2 {
		t.Fatalf("%s /%s/%s: %d: %s", method, bucket, key, status, text)
	}
	return text
}

// ask is do, and returns the status of any answer.
func (s *S3) ask(t testing.TB, method, bucket, key string, query url.Values, body []byte) (status int, text []byte) {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + bucket + "/" + key
	if key == "" {
		u.Path = "/" + bucket
	}
	u.RawQuery = query.Encode()
	u.RawPath = strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(u.Path))
	r, err := http.NewRequestWithContext(t.Context(), method, u.String(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash)
	if err := s.sign(r, hash); err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err = io.ReadAll(answer.Body); err != nil {
		t.Fatalf("%s %s: %s: %v", method, u.Path, answer.Status, err)
	}
	return answer.StatusCode, text
}
