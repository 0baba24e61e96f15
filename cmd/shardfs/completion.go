package main

import (
	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/ui"
)

func newCompletion(g *globals) *cobra.Command {
	u := g.UI
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for a shell",
		Long:  `Completion prints a script that completes verbs and flags in bash, zsh, fish or powershell.`,
		Example: `  source <(shardfs completion bash)
  shardfs completion fish >~/.config/fish/completions/shardfs.fish`,
		Args:      arguments(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(u.Out, false)
			case "zsh":
				return root.GenZshCompletionNoDesc(u.Out)
			case "fish":
				return root.GenFishCompletion(u.Out, false)
			case "powershell":
				return root.GenPowerShellCompletion(u.Out)
			}
			return ui.Usagef("%s: must be bash, zsh, fish or powershell", args[0])
		},
	}
}
