package remote

import (
	"bytes"
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
)

// secret is in the query of all names of these tests, and must not be in a message.
const secret = "SECRETSECRET"

// faultCase is one fault, and what a reader gets.
type faultCase struct {
	fault    string
	is       error  // nil if the right bytes are read in the end
	text     string // in the error
	requests int    // the most that are sent, besides that of Open
}

// many is the most requests because of a fault that is tried again until the budget is used up.
const many = 40

// passes returns the cases of faults in spite of which the right bytes are read.
func passes(requests int, faults string) (cases []faultCase) {
	for fault := range strings.FieldsSeq(faults) {
		cases = append(cases, faultCase{fault, nil, "", requests})
	}
	return cases
}

// Faults of reads of an object that was opened: either exactly its bytes or the right error come, and requests are few.
func TestFaultsOfReads(t *testing.T) {
	for _, tt := range slices.Concat([]faultCase{
		// the connection
		{"close@1-", store.ErrUnreachable, "EOF (", many},
		{"garbage@1-", store.ErrUnreachable, "malformed HTTP", many},
		// a cut body is continued
		{"trunc@1-", store.ErrUnreachable, "short body: ", many},
		{"reset@1-", store.ErrUnreachable, "short body: ", many},
		{"drip@1-", store.ErrUnreachable, "short body: 1 of ", many},
		// a body that is too short, although it ends cleanly
		{"shortchunk@1-", store.ErrUnreachable, "short body: ", many},
		{"shortlen@1-", store.ErrUnreachable, "short body: 5000 of 10000 bytes", 2},
		{"surplus@1-", store.ErrUnreachable, "longer than its range", 2},
		// other bytes than those that were asked for
		{"ignorerange@1-", store.ErrUnreachable, "the whole object for a range", 2},
		{"wrongstart@1-", store.ErrUnreachable, "bytes 1599999-1609998/2000000 for 1600000-1609999", 2},
		{"wrongend@1-", store.ErrUnreachable, "bytes 1600000-1609998/2000000 for 1600000-1609999", 2},
		{"malformed@1-", store.ErrUnreachable, `the range "bytes 1610000-1600000"`, 2},
		{"norange@1-", store.ErrUnreachable, `the range ""`, 2},
		{"416@1-", store.ErrUnreachable, "416 Requested Range Not Satisfiable", 2},
		{"wrongtotal@1-", store.ErrChanged, "overwritten while in use (2000000 -> 2000001 bytes)", 2},
		// another version
		{"newetag@1-", store.ErrChanged, `overwritten while in use (etag "`, 1},
		{"noetag@1-", store.ErrUnreachable, "does not tell the version", 2},
		{"weaketag@1-", store.ErrChanged, `-> W/"`, 1},
		{"404@1-", store.ErrChanged, "deleted while in use", 2},
		{"410@1-", store.ErrChanged, "deleted while in use", 2},
		{"412@1-", store.ErrUnreachable, "412 Precondition Failed", 2},
		// overload and errors of the server
		{"503@1-", store.ErrUnreachable, "503 Service Unavailable (", many},
		{"500@1-", store.ErrUnreachable, "500 Internal Server Error (", many},
		{"retryafter@1-", store.ErrUnreachable, "429 Too Many Requests, which asks to wait for 1h0m0s", 1},
		{"retrynever@1-", store.ErrUnreachable, "503 Service Unavailable, which asks to wait for 24h0m0s", 1},
		{"501@1-", store.ErrUnreachable, "501 Not Implemented", 1},
		{"400@1-", store.ErrUnreachable, "400 Bad Request", 1},
		{"401@1-", fs.ErrPermission, "401 Unauthorized", 1},
		{"403@1-", fs.ErrPermission, "403 Forbidden", 1},
		// other content
		{"html200@1-", store.ErrUnreachable, "a page of HTML", 2},
		{"html206@1-", store.ErrUnreachable, "does not tell the version", 2},
		{"gzip@1-", store.ErrUnreachable, "encoded as gzip", 2},
		// redirects
		{"hop6@1-", store.ErrUnreachable, "more than 5 redirects", 6},
		{"loop@1-", store.ErrUnreachable, "more than 5 redirects", 6},
		{"linklocal@1-", store.ErrUnreachable, "link-local", 1},
		{"linklocal6@1-", store.ErrUnreachable, "link-local", 1},
		{"tofile@1-", store.ErrUnreachable, "something else than http", 1},
		{"nowhere@1-", store.ErrUnreachable, "302 Found", 1},
	},
		passes(1, "chunked@1- startotal@1- late@1-"),
		passes(2, "close@1 garbage@1 trunc@1 reset@1 shortchunk@1 shortlen@1 surplus@1 ignorerange@1 wrongstart@1 "+
			"wrongend@1 416@1 wrongtotal@1 noetag@1 html200@1 gzip@1"),
		passes(3, "429@1-2 500@1-2 502@1-2 503@1-2 504@1-2 408@1-2"),
		passes(3, "404@1"), // another server behind one name, which has not got it yet
		passes(6, "hop5@1-")) {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			testFaultOfRead(t, tt, quick())
		})
	}
}

// A server that is silent is asked again on a second connection.
func TestFaultsOfSilence(t *testing.T) {
	for _, tt := range slices.Concat([]faultCase{
		{"trickle@1-", store.ErrUnreachable, "no data for 500ms", many},
		{"stall@1-", store.ErrUnreachable, "no data for 500ms", many},
		{"hang@1-", store.ErrUnreachable, "no data for 500ms", many},
	},
		passes(2, "stall@1 hang@1 trickle@1"),
		passes(3, "stallcut@1+late@2"), // the first connection is cut while the second one is not answered yet
		passes(4, "stall@1+500@2")) {   // the second one fails
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			o := quick()
			o.Stall, o.Silence = 100*time.Millisecond, 500*time.Millisecond
			e := testFaultOfRead(t, tt, o)
			if e.Stats().Hedges == 0 {
				t.Error("no second connection was tried")
			}
		})
	}
}

// testFaultOfRead opens an object, and reads from it with a fault.
func testFaultOfRead(t *testing.T, tt faultCase, opt Options) *Engine {
	if tt.is == nil {
		opt.Budget = time.Minute
	}
	var told texts
	opt.Detail, opt.Warn = told.add, told.add
	s, e, data := setUp(t, 2_000_000, opt)
	path := "/" + tt.fault + "/x"
	o, err := New(e, plainService{}).Open(t.Context(), s.URL+path+"?key="+secret)
	check(t, err)
	const off, n = 1_600_000, 10_000
	p := make([]byte, n)
	most := 0
	start := time.Now()
	err = o.(*Object).Fetch(t.Context(), p, off, func(got int) {
		if got <= most || !bytes.Equal(p[:got], data[off:off+got]) {
			t.Errorf("%d bytes, after %d; right: %v", got, most, bytes.Equal(p[:got], data[off:off+got]))
		}
		most = got
	})
	took := time.Since(start)
	if took > opt.Budget+opt.Silence+10*time.Second || tt.requests == many && took < opt.Budget-opt.MostPause {
		t.Errorf("it took %v", took)
	}
	if err == nil && most != n {
		t.Errorf("%d bytes and no error", most)
	}
	wantError(t, err, tt.is, tt.text)
	if got := len(s.Requests(path)) - 1; got > tt.requests {
		t.Errorf("%d requests", got)
	}
	if strings.Contains(told.String(), secret) {
		t.Errorf("told: %s", &told)
	}
	changed := errors.Is(tt.is, store.ErrChanged)
	if got := o.Unchanged(t.Context()); (got != nil) != changed {
		t.Errorf("Unchanged: %v", got)
	}
	if _, err := o.ReadAt(t.Context(), p, 0); errors.Is(err, store.ErrChanged) != changed {
		t.Errorf("a later read of other bytes: %v", err)
	}
	return e
}

// wantError fails the test if an error is not of a kind, or has not a text.
func wantError(t *testing.T, err, is error, text string) {
	t.Helper()
	if is == nil && err != nil || is != nil && (!errors.Is(err, is) || !strings.Contains(err.Error(), text)) {
		t.Errorf("the error is %v, want %v with %q", err, is, text)
	}
	if err == nil {
		return
	}
	said := err.Error()
	for _, not := range []string{secret, "/x", "://"} {
		if strings.Contains(said, not) {
			t.Errorf("the name is in the error: %v", err)
		}
	}
	local := errors.Is(err, store.ErrChanged) || strings.Contains(said, "link-local")
	if !local && !strings.Contains(said, "127.0.0.1: ") {
		t.Errorf("the host is not in the error: %v", err)
	}
	if errors.Is(err, store.ErrUnreachable) && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, store.ErrChanged)) {
		t.Errorf("an error that says that the object is gone: %v", err)
	}
}

// Faults of opening. Of those that do not pass, Stat has the same error.
func TestFaultsOfOpen(t *testing.T) {
	const small, large = 1000, 3_000_000 // the first bytes are all of a small object
	for size, cases := range map[int][]faultCase{
		small: slices.Concat([]faultCase{
			{"surplus", store.ErrUnreachable, "longer than its range", 2},
			{"nolength", errors.ErrUnsupported, "does not support ranges", 1},
			{"startotal", errors.ErrUnsupported, "does not tell the size", 1},
			{"malformed", store.ErrUnreachable, "the range", 2},
			{"norange", store.ErrUnreachable, "the range", 2},
			{"416", store.ErrUnreachable, "416 ", 4},
			{"404", fs.ErrNotExist, "404 Not Found", 1},
			{"410", fs.ErrNotExist, "410 Gone", 1},
			{"412", store.ErrUnreachable, "412 Precondition Failed", 1},
			{"403", fs.ErrPermission, "403 Forbidden", 1},
			{"503", store.ErrUnreachable, "503 Service Unavailable (", many},
			{"html200", store.ErrUnreachable, "a page of HTML", 2},
			{"gzip", store.ErrUnreachable, "encoded as gzip", 2},
			{"loop", store.ErrUnreachable, "more than 5 redirects", 6},
			{"linklocal", store.ErrUnreachable, "link-local", 1},
		}, passes(1, "newetag"), passes(2, "reset@0 shortchunk@0 shortlen@0"), passes(3, "503@0-1")),
		headSize: passes(1, "ignorerange"),
		large: slices.Concat([]faultCase{
			{"close", store.ErrUnreachable, "EOF (", many},
			{"ignorerange", errors.ErrUnsupported, "does not support ranges", 1},
			{"nolength", errors.ErrUnsupported, "does not support ranges", 1},
			{"hugetotal", store.ErrUnreachable, "the range", 2},
			{"wrongend", store.ErrUnreachable, "the server answers bytes 0-", 2},
		}, passes(1, "weaketag noetag nothing hop5"), passes(2, "close@0 trunc@0 wrongend@0")),
	} {
		for _, tt := range cases {
			t.Run(fmt.Sprintf("%s/%d", tt.fault, size), func(t *testing.T) {
				t.Parallel()
				testFaultOfOpen(t, tt, size)
			})
		}
	}
}

// testFaultOfOpen opens an object with a fault, and reads it if that succeeds.
func testFaultOfOpen(t *testing.T, tt faultCase, size int) {
	opt := quick()
	if tt.is == nil {
		opt.Budget, opt.FirstBudget = time.Minute, time.Minute
	}
	s, e, data := setUp(t, size, opt)
	st, name := New(e, plainService{}), s.URL+"/"+tt.fault+"/x"
	o, err := st.Open(t.Context(), name+"?key="+secret)
	wantError(t, err, tt.is, tt.text)
	if got := len(s.Requests("/" + tt.fault + "/x")); got > tt.requests {
		t.Errorf("%d requests", got)
	}
	if err == nil {
		contains(t, o, data)
	} else if tt.fault != "surplus" && tt.fault != "wrongend" { // which one byte does not show
		_, err = st.Stat(t.Context(), name+"?key="+secret)
		wantError(t, err, tt.is, "")
	}
}

// Opening asks a second connection, too, when the first is silent, and its end does not wait for a silent server.
func TestSilenceOfOpen(t *testing.T) {
	opt := quick()
	opt.Stall, opt.Budget = 100*time.Millisecond, time.Minute
	s, e, data := setUp(t, 3_000_000, opt)
	for _, fault := range []string{"hang@0", "stall@0"} {
		o, err := New(e, plainService{}).Open(t.Context(), s.URL+"/"+fault+"/x")
		check(t, err)
		contains(t, o, data)
	}
	for _, fault := range []string{"hang", "stall", "503", "slowdown"} {
		cause := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(cause) })
		start := time.Now()
		_, err := New(e, plainService{}).Open(ctx, s.URL+"/"+fault+"/x")
		if took := time.Since(start); err != cause || took > 5*time.Second {
			t.Errorf("%s: %v after %v", fault, err, took)
		}
	}
}

// Of a server without ranges, a part of a small object is the end of the whole.
func TestWholeAnswers(t *testing.T) {
	for _, fault := range []string{"ignorerange", "ignorerange@1", "trunc@1+ignorerange"} {
		s, e, data := setUp(t, 300_000, quick())
		o, err := New(e, plainService{}).Open(t.Context(), s.URL+"/"+fault+"/x")
		check(t, err)
		p := make([]byte, 100_000)
		check(t, o.(*Object).Fetch(t.Context(), p, 150_000, nil))
		if !bytes.Equal(p, data[150_000:250_000]) {
			t.Errorf("%s: wrong bytes", fault)
		}
	}
}

// A server without ranges is told what to do about it.
func TestHintWithoutRanges(t *testing.T) {
	s, e, _ := setUp(t, 3_000_000, quick())
	_, err := New(e, plainService{}).Open(t.Context(), s.URL+"/ignorerange/x")
	wantHint(t, err, "| shardfs run -")
}

func wantHint(t *testing.T, err error, want string) {
	t.Helper()
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), want) {
		t.Errorf("%v has no hint %s", err, want)
	}
}

// A checksum that comes with a whole object is compared.
func TestChecksum(t *testing.T) {
	for _, header := range []http.Header{
		{"X-Goog-Hash": {"crc32c=4waSgw==,md5=xxxx"}}, {"X-Goog-Hash": {"md5=xxxx", "crc32c=4waSgw=="}},
		{"X-Amz-Checksum-Crc32c": {"4waSgw=="}},
	} {
		s, e, _ := setUp(t, 1, quick())
		s.Put("x", []byte("123456789"))
		o := s.Object("x")
		o.Header = header
		s.PutObject("x", o)
		st := New(e, plainService{})
		for fault, is := range map[string]error{"plain": nil, "flip@0": nil, "flip": store.ErrUnreachable} {
			_, err := st.Open(t.Context(), s.URL+"/"+fault+"/x")
			wantError(t, err, is, "the checksum of the object does not match")
		}
	}
}

// Where the server tells of versions for certain, nothing is said; else it is, once for a host.
func TestWarning(t *testing.T) {
	for fault, warned := range map[string]int{"plain": 0, "weaketag": 1, "noetag": 1, "nothing": 1} {
		var told texts
		opt := quick()
		opt.Warn = told.add
		s, e, _ := setUp(t, 10, opt)
		for range 3 {
			o, err := New(e, plainService{}).Open(t.Context(), s.URL+"/"+fault+"/x")
			check(t, err)
			if (o.Version() == "") != (fault == "nothing") {
				t.Errorf("%s: version %q", fault, o.Version())
			}
		}
		if len(told.list) != warned {
			t.Errorf("%s: %q", fault, told.list)
		}
	}
}
