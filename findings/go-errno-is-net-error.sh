#!/bin/sh
# Go: the error of a file that is not there is a net.Error.
#
# One would expect errors.As(err, &netError) to find errors of the network, and uses it to decide what is worth another try.
# It asks for the methods Error, Timeout and Temporary only, and syscall.Errno has all three: so each error of the
# system, such as ENOENT in the fs.PathError of a missing file of credentials, is one, and the program tries again for
# a file that will not come. errors.As with *net.OpError finds errors of the network alone. The other way round,
# golang.org/x/oauth2 formats the error of a service account's request by %v, so that no type at all is left in it.
#
# Seen with Go 1.26 and golang.org/x/oauth2 v0.38.0. Needs Go and its module proxy. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/oauth2/jwt"
)

func main() {
	_, missing := os.ReadFile("/no/such/file")
	_, refused := net.Dial("tcp", "127.0.0.1:1")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	account := &jwt.Config{Email: "x@example.com", TokenURL: "http://127.0.0.1:1/token",
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})}
	_, token := account.TokenSource(context.Background()).Token()
	for _, err := range []error{missing, refused, token} {
		var ne net.Error
		var op *net.OpError
		fmt.Printf("%v: net.Error %v, *net.OpError %v\n", err, errors.As(err, &ne), errors.As(err, &op))
	}
}
GO
{
	go mod init x
	go get golang.org/x/oauth2@v0.38.0
	go mod tidy
} 2>log || { cat log; exit 1; }
go run . >out
cat out
cat >want <<'WANT'
open /no/such/file: no such file or directory: net.Error true, *net.OpError false
dial tcp 127.0.0.1:1: connect: connection refused: net.Error true, *net.OpError true
oauth2: cannot fetch token: Post "http://127.0.0.1:1/token": dial tcp 127.0.0.1:1: connect: connection refused: net.Error false, *net.OpError false
WANT
cmp want out
