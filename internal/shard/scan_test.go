package shard

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/shardfs/shardfs/index"
	"github.com/shardfs/shardfs/internal/codec"
	"github.com/shardfs/shardfs/internal/store"
)

// A scan has the plain bytes, of a store's object as of a stream.
func TestScan(t *testing.T) {
	plain := bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
	var compressed bytes.Buffer
	for range 2 {
		w := gzip.NewWriter(&compressed)
		w.Write(plain)
		w.Close()
	}
	compressed.WriteString("rest")
	name := filepath.Join(t.TempDir(), "in")
	for _, tt := range []struct {
		format             codec.Format
		data, want         []byte
		firstEnd, trailing int64
	}{
		{codec.Plain, plain, plain, 0, 0},
		{codec.Gzip, compressed.Bytes(), append(plain, plain...), int64(len(plain)), 4},
	} {
		if err := os.WriteFile(name, tt.data, 0o666); err != nil {
			t.Fatal(err)
		}
		for what, open := range map[string]func() (*Scan, error){
			"object": func() (*Scan, error) { return OpenScan(t.Context(), nil, name, nil) },
			"stream": func() (*Scan, error) { return NewScan(bytes.NewReader(tt.data)) },
		} {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(s.Plain)
			firstEnd, trailing := s.Ends()
			if !bytes.Equal(got, tt.want) || err != nil || s.Format != tt.format {
				t.Errorf("%v %s: %d bytes in %v, want %d; %v", tt.format, what, len(got), s.Format, len(tt.want), err)
			}
			if firstEnd != tt.firstEnd || trailing != tt.trailing {
				t.Errorf("%v %s: ends %d, %d, want %d, %d",
					tt.format, what, firstEnd, trailing, tt.firstEnd, tt.trailing)
			}
			if err := s.Unchanged(); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A scan describes a shard that is not a tar, detects changes, and ends with its context.
func TestScanFaults(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(name, []byte("7z\xbc\xaf\x27\x1c and more"), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s, err := OpenScan(ctx, nil, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.WhyNotTar(index.ErrNotTar); !errors.Is(err, index.ErrNotTar) || !errors.Is(err, codec.ErrFormat) {
		t.Errorf("WhyNotTar = %v", err)
	}
	if err := os.Truncate(name, 3); err != nil {
		t.Fatal(err)
	}
	if err := s.Unchanged(); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Unchanged = %v", err)
	}
	why := errors.New("enough")
	cancel(why)
	if _, err := io.ReadAll(s.Plain); !errors.Is(err, why) {
		t.Errorf("after the end of the context: %v", err)
	}
	if _, err := OpenScan(t.Context(), nil, name+"-missing", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}
