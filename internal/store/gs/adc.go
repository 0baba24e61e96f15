package gs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/shardfs/shardfs/internal/store/bearer"
)

// What tokens allow.
const (
	reading = "https://www.googleapis.com/auth/devstorage.read_only"
	writing = "https://www.googleapis.com/auth/devstorage.read_write"
)

// adc gets tokens by Application Default Credentials.
type adc struct {
	file  string // that holds a token to be used instead; "" for none
	scope string // what the tokens allow

	payer atomic.Value // a string: the project that the credentials name for quotas
}

// token gets a new token. It looks for the credentials anew, since a file may have been replaced. Where there are none,
// requests are anonymous.
func (a *adc) token(ctx context.Context) (bearer.Token, error) {
	if a.file != "" {
		text, err := os.ReadFile(a.file)
		if err != nil {
			return bearer.Token{}, fmt.Errorf("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: %w", err)
		}
		return bearer.Token{Value: strings.TrimSpace(string(text))}, nil
	}
	exchange := bearer.NewExchange(http.DefaultTransport)
	found, err := google.FindDefaultCredentials(context.WithValue(ctx, oauth2.HTTPClient, exchange.Client()), a.scope)
	if err != nil && isNone(err) {
		return bearer.Token{}, nil
	}
	if err != nil {
		return bearer.Token{}, exchange.Explain(err)
	}
	var file struct {
		Payer string `json:"quota_project_id"`
	}
	if len(found.JSON) > 0 {
		if err := json.Unmarshal(found.JSON, &file); err != nil {
			return bearer.Token{}, errors.New("the file of credentials is damaged")
		}
	}
	a.payer.Store(file.Payer)
	token, err := found.TokenSource.Token()
	if err != nil {
		return bearer.Token{}, exchange.Explain(err)
	}
	return bearer.Token{Value: token.AccessToken, Expires: token.Expiry}, nil
}

// isNone reports whether an error of Google's library means that there are no credentials, for which it has no type.
func isNone(err error) bool {
	return strings.Contains(err.Error(), "could not find default credentials")
}

// project returns the project that the credentials name for quotas, or "".
func (a *adc) project() string {
	payer, _ := a.payer.Load().(string)
	return payer
}
