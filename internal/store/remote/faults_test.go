package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
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
	least    time.Duration
}

// Faults of reads of an object that was opened: either exactly its bytes or the right error come, and requests are few.
func TestFaultsOfReads(t *testing.T) {
	for _, tt := range []faultCase{
		// the connection
		{"close@1", nil, "", 2, 0},
		{"close@1-", store.ErrUnreachable, "EOF (", 40, 0},
		{"garbage@1", nil, "", 2, 0},
		{"garbage@1-", store.ErrUnreachable, "malformed HTTP", 40, 0},
		// a cut body is continued
		{"trunc@1", nil, "", 2, 0},
		{"reset@1", nil, "", 2, 0},
		{"trunc@1-", store.ErrUnreachable, "short body: ", 40, 0},
		{"reset@1-", store.ErrUnreachable, "short body: ", 40, 0},
		{"drip@1-", store.ErrUnreachable, "short body: 1 of ", 40, 0},
		// a body that is too short, although it ends cleanly
		{"shortchunk@1", nil, "", 2, 0},
		{"shortchunk@1-", store.ErrUnreachable, "short body: ", 40, 0},
		{"shortlen@1", nil, "", 2, 0},
		{"shortlen@1-", store.ErrUnreachable, "short body: 5000 of 10000 bytes", 2, 0},
		{"chunked@1-", nil, "", 1, 0},
		{"surplus@1", nil, "", 2, 0},
		{"surplus@1-", store.ErrUnreachable, "longer than its range", 2, 0},
		// other bytes than those that were asked for
		{"ignorerange@1", nil, "", 2, 0},
		{"ignorerange@1-", store.ErrUnreachable, "the whole object for a range", 2, 0},
		{"wrongstart@1", nil, "", 2, 0},
		{"wrongstart@1-", store.ErrUnreachable, "bytes 1599999-1609998/2000000 for 1600000-1609999", 2, 0},
		{"wrongend@1", nil, "", 2, 0},
		{"wrongend@1-", store.ErrUnreachable, "bytes 1600000-1609998/2000000 for 1600000-1609999", 2, 0},
		{"malformed@1-", store.ErrUnreachable, `the range "bytes 1610000-1600000"`, 2, 0},
		{"norange@1-", store.ErrUnreachable, `the range ""`, 2, 0},
		{"startotal@1-", nil, "", 1, 0},
		{"416@1", nil, "", 2, 0},
		{"416@1-", store.ErrUnreachable, "416 Requested Range Not Satisfiable", 2, 0},
		{"wrongtotal@1", nil, "", 2, 0},
		{"wrongtotal@1-", store.ErrChanged, "overwritten while in use (2000000 -> 2000001 bytes)", 2, 0},
		// another version
		{"newetag@1-", store.ErrChanged, `overwritten while in use (etag "`, 1, 0},
		{"noetag@1", nil, "", 2, 0},
		{"noetag@1-", store.ErrUnreachable, "does not tell the version", 2, 0},
		{"weaketag@1-", store.ErrChanged, `-> W/"`, 1, 0},
		{"404@1-", store.ErrChanged, "deleted while in use", 2, 0},
		{"410@1-", store.ErrChanged, "deleted while in use", 2, 0},
		{"404@1", nil, "", 3, 0}, // another server behind one name, which has not got it yet
		{"412@1-", store.ErrUnreachable, "412 Precondition Failed", 2, 0},
		// overload and errors of the server
		{"429@1-2", nil, "", 3, 0}, {"500@1-2", nil, "", 3, 0}, {"502@1-2", nil, "", 3, 0},
		{"503@1-2", nil, "", 3, 0}, {"504@1-2", nil, "", 3, 0}, {"408@1-2", nil, "", 3, 0},
		{"503@1-", store.ErrUnreachable, "503 Service Unavailable (", 40, 500 * time.Millisecond},
		{"500@1-", store.ErrUnreachable, "500 Internal Server Error (", 40, 500 * time.Millisecond},
		{"retryafter@1-", store.ErrUnreachable, "429 Too Many Requests, which asks to wait for 1h0m0s", 1, 0},
		{"retrynever@1-", store.ErrUnreachable, "503 Service Unavailable, which asks to wait for 24h0m0s", 1, 0},
		{"501@1-", store.ErrUnreachable, "501 Not Implemented", 1, 0},
		{"400@1-", store.ErrUnreachable, "400 Bad Request", 1, 0},
		{"401@1-", fs.ErrPermission, "401 Unauthorized", 1, 0},
		{"403@1-", fs.ErrPermission, "403 Forbidden", 1, 0},
		// silence
		{"late@1-", nil, "", 1, 0},
		// other content
		{"html200@1", nil, "", 2, 0},
		{"html200@1-", store.ErrUnreachable, "a page of HTML", 2, 0},
		{"html206@1-", store.ErrUnreachable, "does not tell the version", 2, 0},
		{"gzip@1", nil, "", 2, 0},
		{"gzip@1-", store.ErrUnreachable, "encoded as gzip", 2, 0},
		// redirects
		{"hop5@1-", nil, "", 6, 0},
		{"hop6@1-", store.ErrUnreachable, "more than 5 redirects", 6, 0},
		{"loop@1-", store.ErrUnreachable, "more than 5 redirects", 6, 0},
		{"linklocal@1-", store.ErrUnreachable, "link-local", 1, 0},
		{"linklocal6@1-", store.ErrUnreachable, "link-local", 1, 0},
		{"tofile@1-", store.ErrUnreachable, "something else than http", 1, 0},
		{"nowhere@1-", store.ErrUnreachable, "302 Found", 1, 0},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			t.Parallel()
			testFaultOfRead(t, tt, quick())
		})
	}
}

// A server that is silent is asked again on a second connection.
func TestFaultsOfSilence(t *testing.T) {
	for _, tt := range []faultCase{
		{"stall@1", nil, "", 2, 0},
		{"hang@1", nil, "", 2, 0},
		{"trickle@1", nil, "", 2, 0},
		{"stallcut@1+late@2", nil, "", 3, 0}, // the first connection is cut while the second one is not answered yet
		{"stall@1+500@2", nil, "", 4, 0},     // the second one fails
		{"trickle@1-", store.ErrUnreachable, "no data for 500ms", 40, 0},
		{"stall@1-", store.ErrUnreachable, "no data for 500ms", 40, 0},
		{"hang@1-", store.ErrUnreachable, "no data for 500ms", 40, 0},
	} {
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
	if took := time.Since(start); took < tt.least || took > opt.Budget+opt.Silence+10*time.Second {
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
	for _, tt := range []struct {
		faultCase
		size int
	}{
		{faultCase{"close@0", nil, "", 2, 0}, 3_000_000},
		{faultCase{"close", store.ErrUnreachable, "EOF (", 40, 0}, 3_000_000},
		{faultCase{"trunc@0", nil, "", 2, 0}, 3_000_000},
		{faultCase{"reset@0", nil, "", 2, 0}, 1000},
		{faultCase{"shortchunk@0", nil, "", 2, 0}, 1000},
		{faultCase{"shortlen@0", nil, "", 2, 0}, 1000},
		{faultCase{"surplus", store.ErrUnreachable, "longer than its range", 2, 0}, 1000},
		{faultCase{"ignorerange", errors.ErrUnsupported, "does not support ranges", 1, 0}, 3_000_000},
		{faultCase{"ignorerange", nil, "", 1, 0}, headSize},
		{faultCase{"nolength", errors.ErrUnsupported, "does not support ranges", 1, 0}, 3_000_000},
		{faultCase{"nolength", errors.ErrUnsupported, "does not support ranges", 1, 0}, 1000},
		{faultCase{"startotal", errors.ErrUnsupported, "does not tell the size", 1, 0}, 1000},
		{faultCase{"hugetotal", store.ErrUnreachable, "the range", 2, 0}, 3_000_000},
		{faultCase{"wrongend", store.ErrUnreachable, "the server answers bytes 0-", 2, 0}, 3_000_000},
		{faultCase{"wrongend@0", nil, "", 2, 0}, 3_000_000},
		{faultCase{"malformed", store.ErrUnreachable, "the range", 2, 0}, 1000},
		{faultCase{"norange", store.ErrUnreachable, "the range", 2, 0}, 1000},
		{faultCase{"416", store.ErrUnreachable, "416 ", 4, 0}, 1000},
		{faultCase{"newetag", nil, "", 1, 0}, 1000},
		{faultCase{"weaketag", nil, "", 1, 0}, 3_000_000},
		{faultCase{"noetag", nil, "", 1, 0}, 3_000_000},
		{faultCase{"nothing", nil, "", 1, 0}, 3_000_000},
		{faultCase{"404", fs.ErrNotExist, "404 Not Found", 1, 0}, 1},
		{faultCase{"410", fs.ErrNotExist, "410 Gone", 1, 0}, 1},
		{faultCase{"412", store.ErrUnreachable, "412 Precondition Failed", 1, 0}, 1},
		{faultCase{"403", fs.ErrPermission, "403 Forbidden", 1, 0}, 1},
		{faultCase{"503@0-1", nil, "", 3, 0}, 1},
		{faultCase{"503", store.ErrUnreachable, "503 Service Unavailable (", 40, 0}, 1},
		{faultCase{"html200", store.ErrUnreachable, "a page of HTML", 2, 0}, 1},
		{faultCase{"gzip", store.ErrUnreachable, "encoded as gzip", 2, 0}, 1000},
		{faultCase{"hop5", nil, "", 1, 0}, 3_000_000},
		{faultCase{"loop", store.ErrUnreachable, "more than 5 redirects", 6, 0}, 1},
		{faultCase{"linklocal", store.ErrUnreachable, "link-local", 1, 0}, 1},
	} {
		t.Run(fmt.Sprintf("%s/%d", tt.fault, tt.size), func(t *testing.T) {
			t.Parallel()
			opt := quick()
			if tt.is == nil {
				opt.Budget, opt.FirstBudget = time.Minute, time.Minute
			}
			s, e, data := setUp(t, tt.size, opt)
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
		})
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
