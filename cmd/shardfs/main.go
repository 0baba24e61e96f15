// Command shardfs mounts WebDataset shards as directories of samples, runs commands in them and packs the results.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/ui"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

// run executes a command line, or serves a mount where this process was started for that, and returns the exit status.
func run(args []string) int {
	g := &globals{UI: &ui.UI{Out: os.Stdout, Err: os.Stderr, Hint: hintOf}, private: isMarked(server.NamespaceVariable)}
	if g.private && server.EnterNamespace() != nil {
		return exitPermission
	}
	ctx, stop := withSignals(context.Background(), ownSignals(g.private))
	defer stop()
	var err error
	if isMarked(server.Variable) {
		err = serve(ctx, g.UI)
	} else {
		root := newRoot(g)
		root.SetArgs(args)
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return exitOK
	}
	var reported *ui.ReportedError
	if cause := context.Cause(ctx); cause != nil && !errors.As(err, &reported) {
		if hint := ui.HintOf(err); hint != "" {
			cause = ui.WithHint(cause, hint)
		}
		err = cause // the signal is the reason, not what failed because of it
	}
	g.Fail(err)
	return exitStatus(err)
}

// isMarked reports whether an environment variable is set, and unsets it: it is for this process only.
func isMarked(variable string) bool {
	marked := os.Getenv(variable) != ""
	os.Unsetenv(variable)
	return marked
}

// serve serves the mount that another shardfs has started this process for.
func serve(ctx context.Context, u *ui.UI) error {
	link, err := server.Accept()
	if err != nil {
		return err
	}
	link.Configure(u)
	link.Exit = func() { os.Exit(exitOK) }
	return server.Serve(ctx, u, link.Options, link)
}

// ownSignals returns the signals that end this process; those of a private one come from the process that started it.
func ownSignals(private bool) <-chan os.Signal {
	if private {
		return server.PassedSignals()
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as by nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	return signals
}

// newRoot returns the command line's root.
func newRoot(g *globals) *cobra.Command {
	root := &cobra.Command{
		Use:   "shardfs VERB [flags] [arguments]",
		Short: "Mount, process and repack tar shards of training data",
		Long: `shardfs shows the samples of a tar shard as directories, without extracting it:
mount it and look, run a command in every sample, pack the result into a new
shard.`,
		Example: `  shardfs mount train-0000.tgz mnt && ls mnt
  shardfs run -j 8 -c 'mogrify -resize 256 *.jpg' train-0000.tgz -o out.tar
  shardfs pack mnt -o out.tar && shardfs umount mnt`,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		SilenceUsage:          true,
		Args:                  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ui.Usagef("no verb: try shardfs help")
		},
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error { return g.check() },
	}
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(helpTemplate)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &ui.UsageError{Err: err} })
	g.add(root.PersistentFlags())
	root.AddCommand(
		newMount(g), newUmount(g), newRun(g), newPack(g), newStatus(g), newIndex(g), newLs(g), newCat(g), newCheck(g),
		newCompletion(g), newVersion(g),
	)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = func(cmd *cobra.Command, args []string) error {
			if _, rest, _ := root.Find(args); len(rest) > 0 {
				return fmt.Errorf("unknown verb %q", rest[0])
			}
			return nil
		}
	}
	checkArguments(root)
	for _, cmd := range root.Commands() {
		checkArguments(cmd)
	}
	return root
}

// checkArguments makes what a verb says of its arguments a mistake in the command line, with the way to write it.
func checkArguments(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return ui.WithHint(&ui.UsageError{Err: err}, "usage: "+cmd.UseLine())
		}
		return nil
	}
}

// helpTemplate ends in the examples, where the eye looks for them.
const helpTemplate = `{{with or .Long .Short}}{{. | trimTrailingWhitespaces}}{{end}}

Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} VERB [flags] [arguments]{{else}}{{.UseLine}}{{end}}
{{if .HasAvailableSubCommands}}
Verbs:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}
Common flags:
{{.InheritedFlags.FlagUsagesWrapped 80 | trimTrailingWhitespaces}}
{{end}}{{if .HasExample}}
Examples:
{{.Example}}
{{end}}`

// interrupted is the error after a signal.
type interrupted struct{ signal syscall.Signal }

func (e interrupted) Error() string { return "interrupted by " + strings.ToLower(e.signal.String()) }

// withSignals returns a context that signals end. A second one ends the process at once.
func withSignals(parent context.Context, signals <-chan os.Signal) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	// A write to a pipe without a reader must fail, not kill this process, which has files to remove.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		select {
		case first := <-signals:
			cancel(interrupted{first.(syscall.Signal)})
		case <-done:
			return
		}
		begun := time.Now()
		for {
			select {
			case second := <-signals:
				// Timeout sends its signal twice, to the process and to its group, and that is one.
				if time.Since(begun) > 200*time.Millisecond {
					os.Exit(128 + int(second.(syscall.Signal)))
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		close(done)
		cancel(nil)
	}
}

// signalOf returns the signal that ended a context, given its cause.
func signalOf(cause error) (s syscall.Signal, ok bool) {
	var i interrupted
	ok = errors.As(cause, &i)
	return i.signal, ok
}
