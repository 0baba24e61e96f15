package main

import (
	"github.com/spf13/cobra"
)

func newCompletion(ui *ui) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for a shell",
		Long:  `Completion prints a script that has a shell complete verbs and flags: bash, zsh, fish or powershell.`,
		Example: `  source <(shardfs completion bash)
  shardfs completion fish >~/.config/fish/completions/shardfs.fish`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(ui.out, false)
			case "zsh":
				return root.GenZshCompletionNoDesc(ui.out)
			case "fish":
				return root.GenFishCompletion(ui.out, false)
			case "powershell":
				return root.GenPowerShellCompletion(ui.out)
			}
			return usagef("%s: bash, zsh, fish or powershell", args[0])
		},
	}
}
