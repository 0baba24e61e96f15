// Command shardfs mounts WebDataset shards as directories of samples, runs commands in them and packs the results.
package main

import (
	"context"
	"errors"
	"math"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/cgroup"
	"github.com/shardfs/shardfs/internal/guard"
	"github.com/shardfs/shardfs/internal/prefetch"
	"github.com/shardfs/shardfs/internal/server"
	"github.com/shardfs/shardfs/internal/ui"
)

func main() {
	os.Exit(run(ownArguments()))
}

// run executes a command line, or does for a mount what this process was started for, and returns the exit status.
func run(args []string) int {
	switch {
	case isMarked(guard.Variable):
		guard.Serve() // its errors are told to the process that has started it
		return exitOK
	case isMarked(prefetch.Variable):
		prefetch.Run(os.Stdin, os.Stdout)
		return exitOK
	}
	g := &globals{UI: &ui.UI{Out: os.Stdout, Err: os.Stderr, Hint: hintOf}, private: isMarked(server.NamespaceVariable)}
	if g.private && server.EnterNamespace() != nil {
		return exitPermission
	}
	limitMemory()
	g.stores = newStores(g.UI)
	defer g.stores.sayStats(g.UI)
	ctx, hurry, stop := withSignals(context.Background(), ownSignals(g.private), g.private)
	g.hurry = hurry
	defer stop()
	defer g.Close()
	var err error
	serves := isMarked(server.Variable)
	if serves {
		err = serve(ctx, g.UI, g.stores)
	} else {
		err = g.execute(ctx, args)
	}
	if err == nil {
		return exitOK
	}
	var reported *ui.ReportedError
	if cause := context.Cause(ctx); cause != nil && !errors.As(err, &reported) {
		if hint := ui.HintOf(err); hint != "" {
			cause = ui.WithHint(cause, hint)
		}
		err = cause // report the signal, not the errors that it caused
	}
	g.Fail(err)
	if !serves {
		writeTermination(g.UI)
	}
	if g.helper {
		return helperStatus(exitStatus(err))
	}
	return exitStatus(err)
}

// execute executes a command line, or one of mount(8).
func (g *globals) execute(ctx context.Context, args []string) (err error) {
	if g.helper = isHelper(); g.helper {
		if args, err = asHelper(args); err != nil || args == nil {
			return err
		}
	}
	root := newRoot(g)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// memoryShare is the part of the memory of a control group that each process may have: a run has up to three, of which
// two use memory, and its commands need some, too.
const memoryShare = 3

// limitMemory lets the garbage collector keep this process within its share of the memory of its control group.
func limitMemory() {
	if limit := cgroup.Memory(); os.Getenv("GOMEMLIMIT") == "" && limit < math.MaxInt64 {
		debug.SetMemoryLimit(limit / memoryShare)
	}
}

// isMarked reports whether an environment variable is set, and unsets it, so that child processes do not see it.
func isMarked(variable string) bool {
	marked := os.Getenv(variable) != ""
	os.Unsetenv(variable)
	return marked
}

// serve serves the mount for which another shardfs process has started this one.
func serve(ctx context.Context, u *ui.UI, st *stores) error {
	link, err := server.Accept()
	if err != nil {
		return err
	}
	link.Configure(u)
	st.keep = kept{link.KeepIn(), link.Options.CacheSize}
	return server.Serve(ctx, server.Program{UI: u, Store: st, Disk: st.disk, Env: os.Environ()}, link.Options, link)
}

// newRoot returns the root of the command line, with all verbs.
func newRoot(g *globals) *cobra.Command {
	showVersion := false
	root := &cobra.Command{
		Use:   "shardfs VERB [flags] [arguments]",
		Short: "Mount, process and repack tar shards of training data",
		Long: `shardfs shows the samples of a tar shard as directories, without extracting it:
mount it and look, run a command in every sample, pack the result into a new
shard. SHARD is a path, or a URL: https, s3, gs, az, swift, ais, hf.`,
		Example: `  shardfs mount train-0000.tgz mnt && ls mnt
  shardfs run -j 8 -c 'mogrify -resize 256 *.jpg' train-0000.tgz -o out.tar
  shardfs pack mnt -o out.tar && shardfs umount mnt`,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		SilenceUsage:          true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if showVersion {
				return printVersion(g.UI)
			}
			return ui.Usagef("no verb: try shardfs help")
		},
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPaths(cmd.Flags()); err != nil {
				return err
			}
			if err := g.check(); err != nil {
				return err
			}
			g.warnReplaced(cmd)
			return nil
		},
	}
	cobra.AddTemplateFunc("names", flagNames)
	root.SetOut(untilClosed{os.Stdout})
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(helpTemplate)
	root.SetFlagErrorFunc(flagError)
	g.add(root.PersistentFlags())
	root.Flags().BoolVar(&showVersion, "version", false, "print the version")
	root.Flags().MarkHidden("version") // there is a verb
	root.AddCommand(
		newMount(g), newUmount(g), newRun(g), newPack(g), newStatus(g), newIndex(g), newLs(g), newCat(g), newCheck(g),
		newView(g), newStats(g), newDiff(g), newHead(g), newClean(g), newK8s(g), newSlurm(g), newInstall(g),
		newCompletion(g), newMan(g), newVersion(g),
	)
	initHelp(root)
	for _, cmd := range append(root.Commands(), root) {
		checkArguments(cmd)
		completeFlags(cmd)
		cmd.InitDefaultHelpFlag()
		cmd.Flags().MarkHidden("help") // who reads about it knows it
	}
	return root
}
