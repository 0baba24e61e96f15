package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/shardfs/shardfs/internal/ui"
)

func newCompletion(g *globals) *cobra.Command {
	u := g.UI
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for a shell",
		Long: `Completion prints a script that completes verbs, flags and their values, keys and
mountpoints in bash, zsh, fish or powershell. make install puts it where the
shells look for it.`,
		Example: `  source <(shardfs completion bash)
  shardfs completion fish >~/.config/fish/completions/shardfs.fish`,
		Args:      arguments(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				if _, err := io.WriteString(u.Out, bashWords); err != nil {
					return err
				}
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

// bashWords is what the script for bash needs of the package bash-completion, for where that is not installed: the words of
// the command line, which bash splits at = and :.
const bashWords = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        local i joined=() at=0
        for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
            if ((i > 1 && at > 1)) && { [[ ${COMP_WORDS[i]} == [=:]* ]] || [[ ${COMP_WORDS[i - 1]} == *[=:] ]]; }; then
                joined[at-1]+=${COMP_WORDS[i]}
            else
                joined[at++]=${COMP_WORDS[i]}
            fi
            ((i == COMP_CWORD)) && cword=$((at - 1))
        done
        words=("${joined[@]}") cur=${joined[cword]} prev=${joined[cword - 1]}
    }
fi
if ! declare -F _filedir >/dev/null; then
    _filedir() {
        local IFS=$'\n' kind=-f
        [[ $1 == -d ]] && kind=-d
        COMPREPLY+=($(compgen $kind -- "$cur"))
    }
fi
`
