#!/bin/sh
# Azure's library for Go: a new ManagedIdentityCredential has the old token.
#
# One would expect that a program whose token was refused gets another one by making a new credential, as it does with
# clients and workload identities, each of which has a cache of its own. The tokens of managed identities are in a cache of
# the whole process, and come from there until five minutes before their end, whoever refuses them.
#
# Seen with azidentity v1.15.0 (microsoft-authentication-library-for-go v1.10.1). Needs Go and its module proxy. Exits 1 if
# the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func main() {
	for _, left := range []time.Duration{time.Hour, 4 * time.Minute} {
		n := 0
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // of an App Service
			n++
			fmt.Fprintf(w, `{"access_token":"token%d","expires_on":"%d","token_type":"Bearer"}`, n, time.Now().Add(left).Unix())
		}))
		os.Setenv("IDENTITY_ENDPOINT", service.URL)
		os.Setenv("IDENTITY_HEADER", "x")
		resource := fmt.Sprintf("https://%d.example/.default", left)
		for range 2 {
			c, err := azidentity.NewManagedIdentityCredential(nil)
			if err != nil {
				panic(err)
			}
			token, err := c.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{resource}})
			fmt.Println(left, "left:", token.Token, err)
		}
		service.Close()
	}
}
GO
{
	go mod init x
	go get github.com/Azure/azure-sdk-for-go/sdk/azidentity@v1.15.0
	go mod tidy
} 2>log || { cat log; exit 1; }
go run . >out
cat out
cat >want <<'WANT'
1h0m0s left: token1 <nil>
1h0m0s left: token1 <nil>
4m0s left: token1 <nil>
4m0s left: token2 <nil>
WANT
cmp want out
