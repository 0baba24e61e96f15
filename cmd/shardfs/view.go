package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/gallery"
	"github.com/shardfs/shardfs/internal/mounts"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/ui"
)

// viewFlags are the flags of view.
type viewFlags struct {
	listen string
	token  string
	open   bool
	from   shardFlags
}

func newView(g *globals) *cobra.Command {
	f := viewFlags{}
	cmd := &cobra.Command{
		Use:   "view [flags] SHARD|MOUNTPOINT|DIR...",
		Short: "Show samples in the browser",
		Long: `View shows the samples of shards, mounts and directories as a page: pictures,
text, fields, sound and video, changes of a mount, filters and statistics. It
prints the address of the page and serves it until it is interrupted. It changes
nothing, and what is in the samples is shown, never run.

Only this machine can connect, and the address has a random token, without which
nothing is answered. From another machine, forward the port: ssh -L 8000:127.0.0.1:PORT.

With --listen HOST:PORT other machines can connect, too. All who know the token, or
can read the network, see the samples then. --token says what the token is; @FILE
has it in a file, because other users of this machine can see command lines.`,
		Example: `  shardfs view train-0000.tgz
  shardfs view --open 'train-{0000..0147}.tgz'
  shardfs view mnt                                # with its changes
  shardfs view --listen :0 --token @token train-0000.tgz`,
		Args:              arguments(1, many),
		ValidArgsFunction: completeSources,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), g, args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.open, "open", false, "open the page in the browser")
	flags.StringVar(&f.listen, "listen", "", "listen on `ADDRESS`: HOST:PORT (default a free port of 127.0.0.1)")
	flags.StringVar(&f.token, "token", "", "`TOKEN` in the address, or @FILE with it (default a random one)")
	f.from.add(flags, g)
	return cmd
}

// run serves the page until ctx ends.
func (f *viewFlags) run(ctx context.Context, g *globals, args []string) error {
	o := gallery.Options{Token: gallery.NewToken(), Source: f.from.source()}
	address := "127.0.0.1:0"
	if f.listen != "" {
		if f.token == "" {
			hint := "others can connect then, and guess; a random one is " + gallery.NewToken()
			return ui.WithHint(ui.Usagef("--listen needs --token"), hint)
		}
		address = f.listen
	}
	var err error
	if f.token != "" {
		if o.Token, err = f.readToken(); err != nil {
			return err
		}
	}
	if o.Names, err = f.names(ctx, args); err != nil {
		return err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return listenError(address, err)
	}
	shown, err := f.hosts(&o, l)
	if err != nil {
		l.Close()
		return err
	}
	page, err := gallery.New(ctx, o)
	if err != nil {
		l.Close()
		return err
	}
	defer page.Close()
	opened, err := f.announce(g, l, page, "http://"+shown)
	if err != nil {
		l.Close()
		return err
	}
	defer opened()
	return gallery.Serve(ctx, l, page)
}

// names returns what is shown. A mount of many shards stands for these, which are found quicker by their indexes.
func (f *viewFlags) names(ctx context.Context, args []string) (all []source.Name, err error) {
	names, err := f.from.names(ctx, args, false)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name.Kind == source.Stream {
			return nil, source.ErrOnce
		}
		if shards := mounts.ManyAt(name.Path); name.Kind == source.Dir && shards != nil {
			slices.Sort(shards)
			more, err := source.ResolveAll(shards)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
			continue
		}
		all = append(all, name)
	}
	return all, nil
}

// readToken returns the token of the command line, or of the file that is named there.
func (f *viewFlags) readToken() (string, error) {
	token := f.token
	if name, ok := strings.CutPrefix(token, "@"); ok {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("--token: %w", err)
		}
		token = strings.TrimSpace(string(b))
	}
	return token, gallery.CheckToken(token)
}

// hosts sets the names by which clients may call this host, and returns the one to print, with the port.
func (f *viewFlags) hosts(o *gallery.Options, l net.Listener) (shown string, err error) {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", err
	}
	if f.listen == "" {
		return net.JoinHostPort("127.0.0.1", port), nil
	}
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return "", ui.Usagef("--listen %s: %v", f.listen, err)
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		o.Hosts = append(o.Hosts, host)
		return net.JoinHostPort(host, port), nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", err
	}
	o.Hosts = append(o.Hosts, name)
	return net.JoinHostPort(name, port), nil
}

// listenError returns the error for an address that cannot be listened on.
func listenError(address string, err error) error {
	var addr *net.AddrError
	var dns *net.DNSError
	if errors.As(err, &addr) || errors.As(err, &dns) {
		return ui.WithHint(ui.Usagef("--listen %s: %w", address, err), "HOST:PORT or :PORT, such as 127.0.0.1:8000")
	}
	return fmt.Errorf("listen: %w", err)
}

// announce prints the address of the page, says what it exposes, and opens it if that is wanted. It returns a function
// that waits until the browser was started.
func (f *viewFlags) announce(g *globals, l net.Listener, page *gallery.Gallery, host string) (func(), error) {
	if addr, ok := l.Addr().(*net.TCPAddr); ok && !addr.IP.IsLoopback() {
		g.Warn("all who can connect to %s and know the token can see the samples, and the network sees both", l.Addr())
	}
	url := host + page.Path()
	if g.JSON {
		if err := g.Print(struct {
			URL string `json:"url"`
		}{url}); err != nil {
			return nil, err
		}
	} else if _, err := fmt.Fprintln(g.Out, url); err != nil {
		return nil, err
	}
	if !f.open {
		return func() {}, nil
	}
	return openBrowser(g.UI, host+page.Ticket()), nil
}

// openBrowser shows a page in the user's browser, and returns a function that waits until the program that does so has
// ended. It is told of a path that works once, because other users can see command lines.
func openBrowser(u *ui.UI, url string) func() {
	cmd := exec.Command("xdg-open", url)
	if err := cmd.Start(); err != nil {
		u.Warn("--open: %v", err)
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := cmd.Wait(); err != nil {
			u.Warn("--open: xdg-open: %v", err)
		}
	}()
	return func() {
		cmd.Process.Kill()
		<-done
	}
}
