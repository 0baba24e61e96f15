package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"

	"github.com/shardfs/shardfs/internal/ui"
)

// defaultsFile is a file in the working directory with values for flags that are not given. It has a section for each verb
// of defaultsVerbs, whose keys are long names of flags; a flag that may be repeated has a list.
const defaultsFile = ".shardfs.yaml"

// defaultsVerbs are the verbs that use it.
var defaultsVerbs = []string{"k8s", "slurm"}

// maxDefaults is the greatest size of the file.
const maxDefaults = 1 << 20

// useDefaults sets flags of a verb that are not given to what defaultsFile says, and tells the user which.
func (g *globals) useDefaults(cmd *cobra.Command) error {
	section, err := readDefaults(cmd.Name())
	if err != nil || section == nil {
		return err
	}
	var used []string
	for i := 0; i+1 < len(section.Content); i += 2 {
		key, value := section.Content[i], section.Content[i+1]
		flag := cmd.Flags().Lookup(key.Value)
		switch {
		case flag == nil || flag.Name == "help":
			var names []string
			cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
			err := badDefault(key, "%s has no flag --%s", cmd.Name(), key.Value)
			return didYouMean(err, key.Value, names, "its keys are the long names of flags")
		case flag.Changed:
			continue
		}
		if err := setDefault(cmd, flag, value); err != nil {
			return err
		}
		used = append(used, "--"+flag.Name)
	}
	err = errors.Join(checkEmpty(cmd, cmd.Flags().Args()), checkPaths(cmd.Flags()), g.check())
	if err == nil && len(used) > 0 {
		g.Note("%s: %s", defaultsFile, strings.Join(used, ", "))
	}
	return err
}

// setDefault sets a flag to a value of the file, or to several.
func setDefault(cmd *cobra.Command, flag *pflag.Flag, value *yaml.Node) error {
	values := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		if values = value.Content; flag.Value.Type() != "stringArray" {
			return badDefault(value, "%s: a list, and --%s is given once", flag.Name, flag.Name)
		}
	}
	for _, v := range values {
		if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
			return badDefault(v, "%s: neither a text nor a number", flag.Name)
		}
		if err := cmd.Flags().Set(flag.Name, v.Value); err != nil {
			return badDefault(v, "%w", flagError(cmd, err))
		}
	}
	return nil
}

// badDefault returns the error for something in the file.
func badDefault(at *yaml.Node, format string, args ...any) error {
	return ui.Usagef("%s:%d: %w", defaultsFile, at.Line, fmt.Errorf(format, args...))
}

// readDefaults returns the section of a verb, a map in which no key is twice; nil if there is none.
func readDefaults(verb string) (*yaml.Node, error) {
	text, err := readSmall(defaultsFile, maxDefaults)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", defaultsFile, err)
	}
	var file yaml.Node
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, ui.Usagef("%s: %s", defaultsFile, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if file.Kind == 0 {
		return nil, nil // nothing but comments
	}
	top := file.Content[0]
	if err := checkMap(top); err != nil {
		return nil, err
	}
	var found *yaml.Node
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, section := top.Content[i], top.Content[i+1]
		if !slices.Contains(defaultsVerbs, name.Value) {
			return nil, badDefault(name, "%s is no section: they are %s", name.Value, oneOf(defaultsVerbs))
		}
		if err := checkMap(section); err != nil {
			return nil, err
		}
		if name.Value == verb {
			found = section
		}
	}
	return found, nil
}

// checkMap returns an error if a node is not a map of which each key is there once.
func checkMap(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return badDefault(n, "not a map of keys and values")
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; seen[key.Value] {
			return badDefault(key, "%s is there twice", key.Value)
		}
		seen[n.Content[i].Value] = true
	}
	return nil
}

// readSmall returns the content of a regular file that is not larger than most.
func readSmall(name string, most int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // a FIFO has no writer yet
	if err != nil {
		return nil, errors.Unwrap(err) // without the path
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, errors.Unwrap(err)
	case !info.Mode().IsRegular():
		return nil, ui.Usagef("not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if int64(len(text)) > most {
		err = ui.Usagef("over %d bytes", most)
	}
	return text, err
}
