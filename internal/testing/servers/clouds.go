package servers

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// GCS is a server of Google Cloud Storage.
type GCS struct{ *Server }

// FakeGCS starts fake-gcs-server, which keeps objects of Google Cloud Storage in memory.
func FakeGCS(t testing.TB) *GCS {
	t.Helper()
	return &GCS{command{program: "fake-gcs-server", dir: dirs(t), args: func(port string) []string {
		return []string{"-scheme", "http", "-host", "127.0.0.1", "-port", port, "-backend", "memory",
			"-public-host", "127.0.0.1:" + port}
	}}.start(t)}
}

// Env returns the environment by which tools and shardfs find the server.
func (s *GCS) Env() []string { return []string{"STORAGE_EMULATOR_HOST=" + s.URL} }

// Bucket makes a bucket.
func (s *GCS) Bucket(t testing.TB, name string) {
	t.Helper()
	do(t, http.MethodPost, s.URL+"/storage/v1/b?project=test", nil, fmt.Appendf(nil, `{"name":%q}`, name))
}

// Put makes or replaces an object.
func (s *GCS) Put(t testing.TB, bucket, object string, data []byte) {
	t.Helper()
	s.upload(t, bucket, url.Values{"name": {object}}, data)
}

// PutGzip makes or replaces an object that is stored as the gzip of data, and is unpacked for those who do not accept
// gzip. It returns what is stored.
func (s *GCS) PutGzip(t testing.TB, bucket, object string, data []byte) (stored []byte) {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	s.upload(t, bucket, url.Values{"name": {object}, "contentEncoding": {"gzip"}}, b.Bytes())
	return b.Bytes()
}

// Remove removes an object.
func (s *GCS) Remove(t testing.TB, bucket, object string) {
	t.Helper()
	do(t, http.MethodDelete, s.URL+"/storage/v1/b/"+bucket+"/o/"+url.PathEscape(object), nil, nil)
}

// List returns the names of all objects of a bucket.
func (s *GCS) List(t testing.TB, bucket string) (names []string) {
	t.Helper()
	var page struct{ Items []struct{ Name string } }
	text := do(t, http.MethodGet, s.URL+"/storage/v1/b/"+bucket+"/o", nil, nil)
	if err := json.Unmarshal(text, &page); err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		names = append(names, item.Name)
	}
	return names
}

// Get returns the bytes of an object, as another client than shardfs gets them.
func (s *GCS) Get(t testing.TB, bucket, object string) []byte {
	t.Helper()
	return do(t, http.MethodGet, s.URL+"/storage/v1/b/"+bucket+"/o/"+url.PathEscape(object)+"?alt=media", nil, nil)
}

func (s *GCS) upload(t testing.TB, bucket string, query url.Values, data []byte) {
	t.Helper()
	query.Set("uploadType", "media")
	do(t, http.MethodPost, s.URL+"/upload/storage/v1/b/"+bucket+"/o?"+query.Encode(), nil, data)
}

// The account of Azurite, and its public key.
const (
	AzureAccount = "devstoreaccount1"
	AzureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Azure is a server of Azure Blob Storage.
type Azure struct{ *Server }

// Azurite starts the blob service of Azurite, which keeps blobs in memory.
func Azurite(t testing.TB) *Azure {
	t.Helper()
	return &Azure{command{program: "azurite-blob", dir: dirs(t), args: func(port string) []string {
		return []string{"--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
			"--blobHost", "127.0.0.1", "--blobPort", port}
	}}.start(t)}
}

// Endpoint returns the URL below which the containers of the account are.
func (s *Azure) Endpoint() string { return s.URL + "/" + AzureAccount }

// Env returns the environment by which tools and shardfs find the server.
func (s *Azure) Env() []string {
	return []string{"AZURE_STORAGE_CONNECTION_STRING=AccountName=" + AzureAccount + ";AccountKey=" + AzureKey +
		";BlobEndpoint=" + s.Endpoint()}
}

// Container makes a container, the blobs of which anyone may read if it is public.
func (s *Azure) Container(t testing.TB, name string, public bool) {
	t.Helper()
	header := http.Header{}
	if public {
		header.Set("X-Ms-Blob-Public-Access", "blob")
	}
	do(t, http.MethodPut, s.Endpoint()+"/"+name+"?restype=container&"+s.ownSignature(), header, nil)
}

// Put makes or replaces a blob.
func (s *Azure) Put(t testing.TB, container, blob string, data []byte) {
	t.Helper()
	do(t, http.MethodPut, s.blobURL(container, blob), http.Header{"X-Ms-Blob-Type": {"BlockBlob"}}, data)
}

// PutBlock puts an uncommitted block of a blob.
func (s *Azure) PutBlock(t testing.TB, container, blob, id string, data []byte) {
	t.Helper()
	query := url.Values{"comp": {"block"}, "blockid": {base64.StdEncoding.EncodeToString([]byte(id))}}
	do(t, http.MethodPut, s.blobURL(container, blob)+"&"+query.Encode(), nil, data)
}

// Remove removes a blob.
func (s *Azure) Remove(t testing.TB, container, blob string) {
	t.Helper()
	do(t, http.MethodDelete, s.blobURL(container, blob), nil, nil)
}

// List returns the names of all blobs of a container.
func (s *Azure) List(t testing.TB, container string) (names []string) {
	t.Helper()
	var page struct {
		Blobs struct{ Blob []struct{ Name string } }
	}
	text := do(t, http.MethodGet, s.Endpoint()+"/"+container+"?restype=container&comp=list&"+s.ownSignature(), nil, nil)
	if err := xml.Unmarshal(text, &page); err != nil {
		t.Fatal(err)
	}
	for _, b := range page.Blobs.Blob {
		names = append(names, b.Name)
	}
	return names
}

// Get returns the bytes of a blob, as another client than shardfs gets them.
func (s *Azure) Get(t testing.TB, container, blob string) []byte {
	t.Helper()
	return do(t, http.MethodGet, s.blobURL(container, blob), nil, nil)
}

// Blocks returns the list of the uncommitted blocks of a blob, in XML, or "" if there is neither a blob nor a block.
func (s *Azure) Blocks(t testing.TB, container, blob string) string {
	t.Helper()
	answer, err := http.Get(s.blobURL(container, blob) + "&comp=blocklist&blocklisttype=uncommitted")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return ""
	}
	return string(text)
}

// blobURL returns a URL by which a blob may be read and written.
func (s *Azure) blobURL(container, blob string) string {
	path := strings.ReplaceAll(url.PathEscape(blob), "%2F", "/")
	return s.Endpoint() + "/" + container + "/" + path + "?" + s.ownSignature()
}

func (s *Azure) ownSignature() string { return s.Signature("rwdlac", time.Now().Add(time.Hour)) }

// Signature returns a shared access signature of the account, with some permissions until it expires.
func (s *Azure) Signature(permissions string, expires time.Time) string {
	const version = "2021-12-02"
	end := expires.UTC().Format("2006-01-02T15:04:05Z")
	key, err := base64.StdEncoding.DecodeString(AzureKey)
	if err != nil {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\n%s\nb\nsco\n\n%s\n\nhttps,http\n%s\n\n", AzureAccount, permissions, end, version)
	return url.Values{"sv": {version}, "ss": {"b"}, "srt": {"sco"}, "sp": {permissions}, "se": {end},
		"spr": {"https,http"}, "sig": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}.Encode()
}

// do sends a request, and returns what is answered. An answer that is no success ends the test.
func do(t testing.TB, method, u string, header http.Header, body []byte) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, u, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %s, %v", method, r.URL.Path, answer.Status, text, err)
	}
	return text
}
