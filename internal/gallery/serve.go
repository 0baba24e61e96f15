package gallery

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of connections.
const (
	headerTime  = 10 * time.Second // for the head of a request
	idleTime    = 2 * time.Minute  // between two requests
	headerBytes = 16 << 10
	connections = 256 // at a time
	graceTime   = 500 * time.Millisecond
)

// Serve answers requests on a listener, which it closes, until ctx ends; then it returns nil. Requests that are being
// answered then have a moment to end.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: headerTime, IdleTimeout: idleTime,
		MaxHeaderBytes: headerBytes, ErrorLog: log.New(io.Discard, "", 0), // what clients do wrong
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	s.Protocols = new(http.Protocols)
	s.Protocols.SetHTTP1(true)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), graceTime)
		defer cancel()
		if s.Shutdown(grace) != nil {
			s.Close()
		}
	}()
	err := s.Serve(netutil.LimitListener(l, connections))
	if ctx.Err() == nil {
		return err
	}
	<-ended
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	return err
}
