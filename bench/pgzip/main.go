// Command pgzip compresses a file with klauspost/pgzip, drops the result, and prints the seconds taken and the
// compressed size. It is a peer in the bench, and a separate module, so that shardfs does not depend on pgzip.
//
//	pgzip LEVEL WORKERS FILE
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/klauspost/pgzip"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pgzip: error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("pgzip LEVEL WORKERS FILE: %d arguments", len(args))
	}
	level, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	workers, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	f, err := os.Open(args[2])
	if err != nil {
		return err
	}
	defer f.Close()
	var n counter
	start := time.Now()
	z, err := pgzip.NewWriterLevel(&n, level)
	if err != nil {
		return err
	}
	if err := z.SetConcurrency(1<<20, workers); err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{z}, struct{ io.Reader }{f}, make([]byte, 1<<20)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	_, err = fmt.Println(time.Since(start).Seconds(), n)
	return err
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
