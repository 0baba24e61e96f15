package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// remoteUpload compares packing a local shard to an object store with what the line carries, and with rclone.
func (b *bench) remoteUpload(ctx context.Context) (*plan, error) {
	shard := photos(5_000)
	shard.name = "photos-5000.tar"
	local, err := b.draw(ctx, shard)
	if err != nil {
		return nil, err
	}
	p := new(plan)
	s, err := b.serveObjects(ctx, p, slowStore)
	if err != nil {
		return nil, errors.Join(err, p.end())
	}
	w := work{float64(shard.size()) / 1e6, "MB"}
	p.trials = []*trial{
		s.bareUpload(timed("by=line", w), local, shard.size(), 16),
		s.command(timed("by=shardfs", w), b.shardfs, "pack", local, "-o", s.uri("out.tar")),
	}
	p.trials[1].program = true
	if rclone, err := lookPath("rclone"); err != nil {
		note("without rclone as a peer: %v", err)
	} else {
		p.trials = append(p.trials, s.rcat(timed("by=rclone-rcat", w), rclone, local),
			s.rcat(timed("by=rclone-tuned-rcat", w), rclone, local, "--s3-chunk-size", "16M"))
	}
	for _, t := range p.trials {
		withOutput(t, s.path("out.tar"), func() error { return sameBytes(s.path("out.tar"), local) })
		remove := t.prepare
		t.prepare = func() error {
			err := remove()
			syscall.Sync() // so that dirty pages of one trial do not affect the next
			return err
		}
	}
	return p, nil
}

// rcat returns a trial of rclone, which does not know the size of what it uploads, as pack does not.
func (s *objectStore) rcat(f *figure, rclone, local string, flags ...string) *trial {
	argv := append([]string{rclone, "rcat", "--config", "", "--s3-provider", "Other", "--s3-env-auth",
		"--s3-endpoint", "http://" + s.addr, "--s3-no-check-bucket"}, flags...)
	argv = append(argv, ":s3:bench/out.tar")
	t := s.command(f, append([]string{"sh", "-c", `exec 0<"$0"; exec "$@"`, local}, argv...)...)
	argv[0] = filepath.Base(rclone)
	t.command = strings.ReplaceAll(quote(argv)+" <"+local, s.addr, "SERVER")
	return t
}

// bareUpload returns a trial of a client that only uploads a file, in parts of 8 MiB, as many at a time as connections.
func (s *objectStore) bareUpload(f *figure, local string, size int64, connections int) *trial {
	command := fmt.Sprintf("# net/http: %d connections, parts of 8 MiB of %s", connections, local)
	return measured(f, command, func(ctx context.Context) (float64, error) {
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
		defer client.CloseIdleConnections()
		file, err := os.Open(local)
		if err != nil {
			return 0, err
		}
		defer file.Close()
		start := time.Now()
		var upload struct{ UploadId string }
		_, text, err := s.send(ctx, client, http.MethodPost, "out.tar", "uploads=", nil, 0)
		if err := errors.Join(err, xml.Unmarshal(text, &upload)); err != nil {
			return 0, err
		}
		tags := make([]string, (size+rangeSize-1)/rangeSize)
		var next atomic.Int64
		var all sync.WaitGroup
		errs := make([]error, connections)
		for i := range connections {
			all.Go(func() {
				for n := next.Add(1); n <= int64(len(tags)) && errs[i] == nil; n = next.Add(1) {
					off := (n - 1) * rangeSize
					part := io.NewSectionReader(file, off, min(rangeSize, size-off))
					query := fmt.Sprintf("partNumber=%d&uploadId=%s", n, upload.UploadId)
					var header http.Header
					header, _, errs[i] = s.send(ctx, client, http.MethodPut, "out.tar", query, part, part.Size())
					tags[n-1] = header.Get("ETag")
				}
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return 0, err
		}
		var list strings.Builder
		for i, tag := range tags {
			fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, tag)
		}
		body := "<CompleteMultipartUpload>" + list.String() + "</CompleteMultipartUpload>"
		_, _, err = s.send(ctx, client, http.MethodPost, "out.tar", "uploadId="+upload.UploadId,
			strings.NewReader(body), int64(len(body)))
		return time.Since(start).Seconds(), err
	})
}
