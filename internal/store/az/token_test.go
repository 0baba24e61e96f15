package az_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/store/storetest"
)

// cloud is a double of the token service of a machine and of a container.
type cloud struct {
	*httptest.Server
	data   []byte
	tokens storetest.Tokens
	refuse bool // requests for tokens
}

func newCloud(t *testing.T, data []byte) *cloud {
	c := &cloud{data: data}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /token", c.token)
	mux.HandleFunc("GET /acc/c/a", c.tokens.Guard(c.blob, refuse))
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	for _, name := range []string{"AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "MSI_ENDPOINT",
		"MSI_SECRET", "IMDS_ENDPOINT"} {
		t.Setenv(name, "")
	}
	return c
}

// managed is the environment of a machine whose identity has tokens of the double.
func (c *cloud) managed(t *testing.T) []string {
	t.Setenv("IDENTITY_ENDPOINT", c.URL+"/token")
	t.Setenv("IDENTITY_HEADER", "x")
	return []string{"IDENTITY_ENDPOINT=" + c.URL + "/token", "AZURE_STORAGE_BLOB_ENDPOINT=" + c.URL + "/acc"}
}

func (c *cloud) token(w http.ResponseWriter, r *http.Request) {
	if c.refuse || r.Header.Get("X-Identity-Header") != "x" ||
		r.FormValue("resource") != "https://storage.azure.com" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_request","error_description":"secret"}`)
		return
	}
	// Azure's library keeps tokens of machines for the whole process, unless they end within five minutes.
	fmt.Fprintf(w, `{"access_token":%q,"expires_on":"%d","resource":"x","token_type":"Bearer"}`, c.tokens.Next(),
		time.Now().Add(4*time.Minute).Unix())
}

func (c *cloud) blob(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"0x8D"`)
	http.ServeContent(w, r, "a", time.Unix(1_700_000_000, 0), bytes.NewReader(c.data))
}

// refuse answers a request without a good token.
func refuse(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Ms-Error-Code", "NoAuthenticationInformation")
	w.WriteHeader(http.StatusUnauthorized)
}

// A token that expires while a blob is read is fetched anew, once for all readers.
func TestTokensExpire(t *testing.T) {
	c := newCloud(t, storetest.Noise(storetest.Guarded, 1))
	o, err := open(t, c.managed(t)).Open(t.Context(), "az://c/a")
	storetest.Check(t, err)
	defer o.Close()
	c.tokens.Renewed(t, o, c.data)
}

// What is wrong with credentials is said without what is secret in them.
func TestBadCredentials(t *testing.T) {
	c := newCloud(t, storetest.Noise(1000, 1))
	c.refuse = true
	_, err := open(t, c.managed(t)).Open(t.Context(), "az://c/a")
	if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "secret") {
		t.Errorf("a refused machine: %v", err)
	}
	file := filepath.Join(t.TempDir(), "certificate.pem")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := []string{"AZURE_STORAGE_BLOB_ENDPOINT=" + c.URL + "/acc", "AZURE_TENANT_ID=t", "AZURE_CLIENT_ID=c"}
	for _, more := range []string{"AZURE_CLIENT_CERTIFICATE_PATH=" + file, "AZURE_CLIENT_CERTIFICATE_PATH=/none",
		"AZURE_TOKEN_CREDENTIALS=secrets"} {
		_, err := open(t, append(client, more)).Open(t.Context(), "az://c/a")
		if !errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", more, err)
		}
	}
}
