// Command firstscreen measures how long a user waits for shardfs view. In a browser that runs already, it starts the
// viewer, opens its page in a tab of 1600 by 1000, and prints the seconds until all pictures in view are drawn, how many
// they are, and the most bytes that the viewer has had in memory.
//
//	firstscreen SHARDFS view SHARD...
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/shardfs/shardfs/internal/testing/web/chromium"
)

// most is how long all may take.
const most = time.Minute

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "firstscreen: error:", err)
		os.Exit(1)
	}
}

func run(argv []string) (err error) {
	if len(argv) < 3 {
		return errors.New("firstscreen SHARDFS view SHARD...: too few arguments")
	}
	dir, err := os.MkdirTemp("", "firstscreen")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tab, stop, err := chromium.Start(dir)
	if err != nil {
		return err
	}
	defer stop()
	ctx, cancel := context.WithTimeout(tab, most)
	defer cancel()
	size := emulation.SetDeviceMetricsOverrideParams{Width: 1600, Height: 1000, DeviceScaleFactor: 1}
	err = chromedp.Do(ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		return cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, size)
	})
	if err != nil {
		return err
	}

	server := exec.CommandContext(ctx, argv[0], argv[1:]...)
	server.Stderr = os.Stderr
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	out, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		server.Process.Signal(syscall.SIGTERM)
		server.Wait()
	}()
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("%s prints no address: %w", argv[0], err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(strings.TrimSpace(url))); err != nil {
		return err
	}
	pictures, err := chromedp.Run(ctx, chromedp.Evaluate[int](untilDrawn, chromedp.EvalAwaitPromise))
	if err != nil {
		return err
	}
	took := time.Since(start)
	resident, err := memory(server.Process.Pid)
	if err != nil {
		return err
	}
	_, err = fmt.Println(took.Seconds(), pictures, resident)
	return err
}

// untilDrawn is a promise of the number of pictures in view when all of them are drawn.
const untilDrawn = `new Promise((done) => {
	const look = () => {
		if (` + chromium.Drawn + `) done(document.querySelectorAll('.cell canvas').length);
		else requestAnimationFrame(look);
	};
	look();
})`

// memory returns the most bytes that a process has had in memory.
func memory(pid int) (bytes int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &bytes); n == 1 {
			return bytes << 10, nil
		}
	}
	return 0, errors.New("its peak of memory is not known")
}
