package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// browse gets a path of the page whose address a view has written to a file, and prints the answer. With ! the answer
// is to be an error:
//
//	browse url api/set
//	! browse url raw/9/9
//	browse url api/set Host=localhost    # with a header
//	browse url api/set 'until=text'      # again until the text is in the answer
func browse(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: browse FILE PATH [HEADER=VALUE...]")
	}
	var url string
	waitFor(ts, func() bool {
		text, _ := os.ReadFile(ts.MkAbs(args[0]))
		url = strings.TrimSpace(string(text))
		return strings.HasSuffix(string(text), "\n")
	}, "an address in %s", args[0])
	r, err := http.NewRequest("GET", url+args[1], nil)
	ts.Check(err)
	until := ""
	for _, header := range args[2:] {
		switch name, value, _ := strings.Cut(header, "="); name {
		case "Host":
			r.Host = value
		case "until":
			until = value
		default:
			r.Header.Set(name, value)
		}
	}
	var status int
	var body string
	waitFor(ts, func() bool {
		status, body = answerTo(ts, r)
		return strings.Contains(body, until)
	}, "%s in %s", until, args[1])
	fmt.Fprintf(ts.Stdout(), "%d\n%s", status, body)
	if failed := status >= 400; failed != neg {
		ts.Fatalf("%s: %d %s", args[1], status, body)
	}
}

// answerTo returns the answer to a request.
func answerTo(ts *testscript.TestScript, r *http.Request) (status int, body string) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	ts.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	return answer.StatusCode, string(text)
}
