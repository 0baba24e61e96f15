package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/sync/errgroup"
)

// A viewer is a running shardfs view.
type viewer struct {
	page   string // its address, with a slash at the end
	client http.Client
}

// viewing returns a trial that starts a viewer of a shard, and does a task that is timed.
func (b *bench) viewing(shard, what string, do func(context.Context, *viewer) error) *trial {
	argv := []string{b.shardfs, "view", shard}
	t := &trial{command: quote(argv) + "\n" + what, program: true}
	t.run = func(ctx context.Context) (values []float64, err error) {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Stderr = os.Stderr
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), ended(cmd.Wait())) }()
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("%s prints no address: %w", quote(argv), err)
		}
		v := &viewer{page: strings.TrimSpace(line)}
		v.client.Transport = &http.Transport{MaxIdleConnsPerHost: 8}
		defer v.client.CloseIdleConnections()
		if _, err := v.get(ctx, "api/set"); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := do(ctx, v); err != nil {
			return nil, err
		}
		return []float64{time.Since(start).Seconds()}, nil
	}
	return t
}

// ended returns an error of a viewer's end, unless it is that it was told to end.
func ended(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 128+int(syscall.SIGTERM) {
		return nil
	}
	return err
}

// get returns the answer to a request.
func (v *viewer) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.page+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := v.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, answer.Status, body)
	}
	return body, err
}

// filter asks for the samples that a query finds until all are found.
func (v *viewer) filter(ctx context.Context, query string) error {
	for {
		body, err := v.get(ctx, "api/filter?q="+url.QueryEscape(query))
		if err != nil {
			return err
		}
		var found struct {
			Total int     `json:"total"`
			Done  float64 `json:"done"`
		}
		switch err := json.Unmarshal(body, &found); {
		case err != nil:
			return fmt.Errorf("filter %s: %w", query, err)
		case found.Done < 1:
		case found.Total == 0:
			return fmt.Errorf("filter %s finds nothing", query)
		default:
			return nil
		}
	}
}

// thumbnails asks for the thumbnails of the second member of the first samples, as many at a time as a browser does.
func (v *viewer) thumbnails(ctx context.Context, samples, atOnce int) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(atOnce)
	for i := range samples {
		all.Go(func() error {
			_, err := v.get(ctx, fmt.Sprintf("thumb/%d/1?side=%d", i, thumbnailSide))
			return err
		})
	}
	return all.Wait()
}

// thumbnailSide is the side of thumbnails in pixels.
const thumbnailSide = 256

// shrinkAll decodes and scales the pictures of a shard, which are its samples' second members, on all cores, and returns
// the seconds taken.
func shrinkAll(s drawn) (float64, error) {
	pictures := make([]string, s.samples)
	for i := range pictures {
		pictures[i] = s.members(i)[1].text
	}
	start := time.Now()
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for _, picture := range pictures {
		all.Go(func() error {
			m, err := jpeg.Decode(strings.NewReader(picture))
			if err != nil {
				return err
			}
			b := m.Bounds()
			small := image.NewRGBA(image.Rect(0, 0, thumbnailSide, thumbnailSide*b.Dy()/b.Dx()))
			draw.ApproxBiLinear.Scale(small, small.Rect, m, b, draw.Src, nil)
			return nil
		})
	}
	err := all.Wait()
	return time.Since(start).Seconds(), err
}
