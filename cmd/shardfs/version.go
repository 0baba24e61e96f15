package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/ui"
)

// version is set by the linker in releases; see programVersion.
var version = unknownVersion

// unknownVersion is the version of a program that the go command has built without telling its version to the linker.
const unknownVersion = "dev"

// programVersion returns the version of this program.
func programVersion() string {
	info, _ := debug.ReadBuildInfo()
	return ownVersion(version, info)
}

// ownVersion returns the version of a program: what the linker was told or, after go install, the version of its module.
func ownVersion(linked string, info *debug.BuildInfo) string {
	if linked == unknownVersion && info != nil && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version
	}
	return linked
}

func newVersion(g *globals) *cobra.Command {
	u := g.UI
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: `  shardfs version`,
		Args:    arguments(0, 0),
		RunE:    func(cmd *cobra.Command, args []string) error { return printVersion(u) },
	}
}

// printVersion prints the version of the program.
func printVersion(u *ui.UI) error {
	v := struct {
		Version  string `json:"version"`
		Revision string `json:"revision,omitempty"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{Version: programVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Revision = s.Value
			}
		}
	}
	if u.JSON {
		return u.Print(v)
	}
	_, err := fmt.Fprintf(u.Out, "shardfs %s %s %s\n", v.Version, v.Go, v.Platform)
	return err
}
