package az

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/store/bearer"
	"github.com/shardfs/shardfs/internal/store/remote"
)

// settings are what the user has configured.
type settings struct {
	account        // that of the environment; its name may be unknown
	anonymous bool // requests have no key and no token
}

// account is an account, and how requests for it are signed: by the first of the three that is there.
type account struct {
	name      string
	endpoint  *url.URL      // below which its containers are; nil if unknown
	signature string        // a shared access signature
	key       []byte        // the shared key
	tokens    *bearer.Cache // nil for anonymous requests
}

// emulator is what UseDevelopmentStorage=true stands for: the account that every emulator has, and its public key.
const emulator = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1"

// account returns the account of a name.
func (s *Service) account(n blobName) (account, error) {
	s.once.Do(s.load)
	if s.err != nil {
		return account{}, s.err
	}
	a := s.set.account
	if n.account != "" && n.account != a.name {
		if a.name != "" { // its key and signature are of no use for others
			a = account{}
		}
		a.name, a.endpoint = n.account, nil
	}
	if n.host != "" && a.endpoint == nil {
		a.endpoint = &url.URL{Scheme: "https", Host: n.host}
	}
	if n.signature != "" {
		a.signature = n.signature
	}
	if a.endpoint == nil {
		return account{}, &noAccountError{}
	}
	if !s.set.anonymous {
		a.tokens = s.tokens
	}
	return a, nil
}

// noAccountError is the error of a name without an account where the environment has none either.
type noAccountError struct{}

func (*noAccountError) Error() string { return "the storage account is not known" }
func (*noAccountError) Unwrap() error { return store.ErrName }

// Hint returns how to name the account.
func (*noAccountError) Hint() string {
	return "set AZURE_STORAGE_ACCOUNT, or write az://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB"
}

// load reads the settings from the environment.
func (s *Service) load() {
	getenv := s.Getenv
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	s.set, s.err = load(getenv)
	s.tokens = bearer.New((&identity{getenv}).token)
}

// load reads the settings from the environment. A connection string beats the other variables, as in Azure's tools.
func load(getenv func(string) string) (*settings, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return value
			}
		}
		return ""
	}
	set := &settings{}
	// The words of GDAL, of obstore and of adlfs.
	for _, name := range []string{"AZURE_NO_SIGN_REQUEST", "AZURE_SKIP_SIGNATURE", "AZURE_STORAGE_ANON"} {
		on, err := store.Switch(name, getenv(name))
		if err != nil {
			return nil, err
		}
		set.anonymous = set.anonymous || on
	}
	v := values{}
	if text := getenv("AZURE_STORAGE_CONNECTION_STRING"); text != "" {
		var err error
		if v, err = parseConnection(text); err != nil {
			return nil, fmt.Errorf("AZURE_STORAGE_CONNECTION_STRING is %w: want NAME=VALUE;NAME=VALUE", err)
		}
	} else {
		v["accountname"] = first("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME")
		v["accountkey"] = first("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY")
		v["sharedaccesssignature"] = getenv("AZURE_STORAGE_SAS_TOKEN")
		v["blobendpoint"] = first("AZURE_STORAGE_BLOB_ENDPOINT", "AZURE_STORAGE_SERVICE_ENDPOINT",
			"AZURE_STORAGE_ENDPOINT")
		if strings.EqualFold(getenv("AZURE_STORAGE_AUTH_MODE"), "login") {
			v["accountkey"], v["sharedaccesssignature"] = "", ""
		}
	}
	var err error
	set.account, err = v.account()
	if set.anonymous {
		set.account.key, set.account.signature = nil, ""
	}
	return set, err
}

// values are the parts of a connection string, by their names in small letters.
type values map[string]string

// parseConnection reads a connection string.
func parseConnection(text string) (values, error) {
	v := values{}
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, store.ErrName
		}
		v[strings.ToLower(name)] = value
	}
	if strings.EqualFold(v["usedevelopmentstorage"], "true") {
		return parseConnection(emulator)
	}
	return v, nil
}

// account returns the account of these values.
func (v values) account() (account, error) {
	a := account{name: v["accountname"]}
	if a.name != "" && (!isHost(a.name) || strings.Contains(a.name, ".")) {
		return a, fmt.Errorf("the storage account is %w: want a-z and 0-9", store.ErrName)
	}
	if text := v["accountkey"]; text != "" {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return a, fmt.Errorf("the key of the storage account is %w: want base64", store.ErrName)
		}
		a.key = key
	} else if text := strings.TrimPrefix(v["sharedaccesssignature"], "?"); text != "" {
		if !isSignature(text) {
			return a, fmt.Errorf("the shared access signature is %w: want one with sig=", store.ErrName)
		}
		a.signature = text
	}
	endpoint := v["blobendpoint"]
	if endpoint == "" && a.name != "" {
		scheme, suffix := v["defaultendpointsprotocol"], v["endpointsuffix"]
		if scheme == "" {
			scheme = "https"
		}
		if suffix == "" {
			suffix = "core.windows.net"
		}
		endpoint = scheme + "://" + a.name + ".blob." + suffix
	}
	if endpoint == "" {
		return a, nil
	}
	u, ok := remote.ParseEndpoint(endpoint)
	if !ok {
		return a, fmt.Errorf("the endpoint of blobs is %w: want a URL such as https://ACCOUNT.blob.core.windows.net",
			store.ErrName)
	}
	a.endpoint = &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	if i := strings.LastIndexByte(a.endpoint.Path, '/'); a.name == "" && i >= 0 { // http://127.0.0.1:10000/ACCOUNT
		a.name = a.endpoint.Path[i+1:]
	} else if a.name == "" {
		a.name, _, _ = strings.Cut(u.Hostname(), ".")
	}
	return a, nil
}

// isSignature reports whether a query is a shared access signature.
func isSignature(query string) bool {
	v, err := url.ParseQuery(query)
	return err == nil && v.Get("sig") != ""
}
