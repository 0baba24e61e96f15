package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newMan(*globals) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages",
		Long:    `Man writes a manual page for shardfs and for each verb to a directory, which it makes.`,
		Example: `  shardfs man ~/.local/share/man/man1`,
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			root := cmd.Root()
			for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
				if c != root && !c.IsAvailableCommand() {
					continue
				}
				name := filepath.Join(args[0], manName(c)+".1")
				if err := os.WriteFile(name, manual(c), 0o666); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// manName returns the name of a command's manual page without its section.
func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manual returns the manual page of a command, in the macros of man(7).
func manual(c *cobra.Command) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH %q 1 \"\" %q shardfs\n", strings.ToUpper(manName(c)), "shardfs "+programVersion())
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", manText(manName(c)), manText(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", manText(c.UseLine()))
	fmt.Fprint(&b, ".SH DESCRIPTION\n")
	manParagraphs(&b, c.Long)
	for _, list := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"OPTIONS", c.NonInheritedFlags()}, {"GLOBAL OPTIONS", c.InheritedFlags()}} {
		if list.flags.HasAvailableFlags() {
			fmt.Fprintf(&b, ".SH %s\n", list.title)
			list.flags.VisitAll(func(f *pflag.Flag) { manFlag(&b, f) })
		}
	}
	if c.Example != "" {
		fmt.Fprint(&b, ".SH EXAMPLES\n")
		manParagraphs(&b, c.Example)
	}
	fmt.Fprint(&b, ".SH SEE ALSO\n")
	manSeeAlso(&b, c)
	return b.Bytes()
}

// manFlag writes the entry of a flag.
func manFlag(b *bytes.Buffer, f *pflag.Flag) {
	if f.Hidden || f.Deprecated != "" {
		return
	}
	value, usage := pflag.UnquoteUsage(f)
	fmt.Fprint(b, ".TP\n")
	if f.Shorthand != "" {
		fmt.Fprintf(b, "\\fB\\-%s\\fR, ", f.Shorthand)
	}
	fmt.Fprintf(b, "\\fB\\-\\-%s\\fR", manText(f.Name))
	if value != "" {
		fmt.Fprintf(b, " \\fI%s\\fR", manText(value))
	}
	fmt.Fprintf(b, "\n%s\n", manText(usage))
}

// manSeeAlso writes the names of the pages of the command's parent and of its verbs.
func manSeeAlso(b *bytes.Buffer, c *cobra.Command) {
	var pages []string
	if c.HasParent() {
		pages = append(pages, manName(c.Parent()))
	}
	for _, child := range c.Commands() {
		if child.IsAvailableCommand() {
			pages = append(pages, manName(child))
		}
	}
	for i, page := range pages {
		after := ","
		if i == len(pages)-1 {
			after = ""
		}
		fmt.Fprintf(b, ".BR %s (1)%s\n", manText(page), after)
	}
}

// manParagraphs writes text whose paragraphs are separated by empty lines, and whose indented lines stay as they are.
func manParagraphs(b *bytes.Buffer, text string) {
	literal := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if indented := strings.HasPrefix(line, " "); indented != literal && line != "" {
			literal = indented
			if literal {
				fmt.Fprintln(b, ".PP\n.EX")
			} else {
				fmt.Fprintln(b, ".EE\n.PP")
			}
		}
		if line == "" && !literal {
			fmt.Fprintln(b, ".PP")
		} else {
			fmt.Fprintln(b, manText(line))
		}
	}
	if literal {
		fmt.Fprintln(b, ".EE")
	}
}

// manText escapes text, so that nothing in it is a request or an escape of roff, and hyphens can be copied.
func manText(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\(ga", "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}
