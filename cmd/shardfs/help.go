package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/ui"
)

// checkArguments makes errors in a verb's arguments usage errors with the usage line as hint, if they have none. Empty
// arguments and values of flags are errors, too: they are from variables of a script that are not set.
func checkArguments(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := checkEmpty(cmd, args)
		if err == nil {
			err = check(cmd, args)
		}
		if err == nil || ui.HintOf(err) != "" {
			return err
		}
		return ui.WithHint(&ui.UsageError{Err: err}, "usage: "+cmd.UseLine())
	}
}

// checkEmpty returns an error for an empty argument or value of a flag. The words after -- are a command's own.
func checkEmpty(cmd *cobra.Command, args []string) (err error) {
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		args = args[:dash]
	}
	if i := slices.Index(args, ""); i >= 0 {
		err = ui.Usagef("argument %d is empty", i+1)
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			name, usage := pflag.UnquoteUsage(f)
			err = ui.Usagef("--%s: its value is empty", f.Name)
			err = ui.WithHint(err, fmt.Sprintf("--%s %s: %s", f.Name, name, usage))
		}
	})
	return err
}

// many is the most arguments of a verb that takes any number.
const many = math.MaxInt

// arguments returns a check that there are as many arguments.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return ui.Usagef("%s missing", ui.Count(least-len(args), "argument"))
		case len(args) > most:
			return ui.Usagef("too many arguments: %s", strings.Join(args[most:], " "))
		}
		return nil
	}
}

// helpTemplate puts the examples last, right above the user's prompt.
const helpTemplate = `{{with or .Long .Short}}{{. | trimTrailingWhitespaces}}{{end}}

Usage: {{if .HasAvailableSubCommands}}{{.CommandPath}} VERB [flags] [arguments]{{else}}{{.UseLine}}{{end}}
{{if .HasAvailableSubCommands}}
Verbs:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{end}}{{if .HasAvailableLocalFlags}}
Flags:
{{.LocalFlags.FlagUsagesWrapped 120 | trimTrailingWhitespaces}}
{{end}}{{if .HasAvailableInheritedFlags}}{{if not .HasAvailableLocalFlags}}
{{end}}Common flags (see shardfs help): {{names .InheritedFlags}}
{{end}}{{if .HasExample}}
Examples:
{{.Example}}
{{end}}`

// initHelp makes the verb help.
func initHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.Use, help.Short = "help [VERB]", "Say what a verb does"
	help.Long, help.Example = "Help says what a verb does, and lists its flags.", "  shardfs help run"
	help.DisableFlagsInUseLine = true
	help.Args = func(_ *cobra.Command, args []string) error {
		if _, rest, _ := root.Find(args); len(rest) > 0 {
			return unknownVerb(root, rest[0])
		}
		return nil
	}
}

// untilClosed writes to a pipe until its reader, such as head, has closed it. What is written then is not missed.
type untilClosed struct{ io.Writer }

func (w untilClosed) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if errors.Is(err, unix.EPIPE) {
		return len(p), nil
	}
	return n, err
}

// flagNames returns the names of flags, for help.
func flagNames(flags *pflag.FlagSet) string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Shorthand != "" {
			names = append(names, "-"+f.Shorthand)
		}
		names = append(names, "--"+f.Name)
	})
	return strings.Join(names, " ")
}

// unknownVerb returns the error for a verb that there is not.
func unknownVerb(root *cobra.Command, verb string) error {
	var verbs []string
	for _, cmd := range root.Commands() {
		verbs = append(verbs, cmd.Name())
	}
	return didYouMean(ui.Usagef("unknown verb %q", verb), verb, verbs, "shardfs help lists the verbs")
}

// didYouMean adds a hint to an error about a word: the most similar of the words that there are or, if none is similar,
// another hint.
func didYouMean(err error, word string, words []string, otherwise string) error {
	best := ui.Closest(word, words)
	if best == "" {
		return ui.WithHint(err, otherwise)
	}
	return ui.WithHint(err, "did you mean "+best+"?")
}

// flagError says in plain words what is wrong with a flag.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		list := "shardfs help lists the flags"
		if cmd.HasParent() {
			list = fmt.Sprintf("shardfs help %s lists the flags; a command's own come after --", cmd.Name())
		}
		return didYouMean(&ui.UsageError{Err: err}, "--"+unknown.GetSpecifiedName(), names, list)
	case errors.As(err, &missing):
		name, usage := pflag.UnquoteUsage(missing.GetFlag())
		err = ui.Usagef("--%s: its value is missing", missing.GetFlag().Name)
		return ui.WithHint(err, fmt.Sprintf("--%s %s: %s", missing.GetFlag().Name, name, usage))
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		why := map[string]string{
			"int": "not a number", "uint64": "not a number", "duration": "not a time such as 90s or 5m",
			"bool": "neither true nor false",
		}[f.Value.Type()]
		name, usage := pflag.UnquoteUsage(f)
		if why == "" {
			return ui.Usagef("--%s %s: %w", f.Name, invalid.GetValue(), invalid.Unwrap())
		}
		err = ui.Usagef("--%s %s: %s", f.Name, invalid.GetValue(), why)
		return ui.WithHint(err, fmt.Sprintf("--%s %s: %s", f.Name, name, usage))
	}
	return &ui.UsageError{Err: err}
}
