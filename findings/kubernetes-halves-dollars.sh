#!/bin/sh
# Kubernetes replaces $$ by $ everywhere in a container's command, not only before a parenthesis.
#
# It is known that $(NAME) in `command`, `args` and `env` of a container becomes the value of a variable, and that $$(NAME) is
# how to write $(NAME). One would expect that other dollars are left alone, as the shell's own $( ) is where it names no
# variable. But each $$ becomes $, so that a script with the shell's process number loses it in silence: `sh -c 'sort x
# >/tmp/$$; mv /tmp/$$ y'` writes one file /tmp/$ in all processes that share /tmp. $$$$ is $$. No check of the manifest tells: the
# kubelet does it when the container starts, and `kubectl get -o yaml` shows what was written.
#
# Seen with Kubernetes 1.34.4 and 1.37.2, whose kubelet calls this function. Needs Go. Exits 1 if the behaviour has changed.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=
cat >main.go <<'GO'
package main

import (
	"fmt"

	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

func main() {
	known := expansion.MappingFuncFor(map[string]string{"HOME": "/root"})
	for _, command := range []string{"$(HOME)", "$$(HOME)", "$(date)", "/tmp/$$", "$$$$", "$HOME $1 $"} {
		fmt.Printf("%s becomes %s\n", command, expansion.Expand(command, known))
	}
}
GO
go mod init probe 2>/dev/null
for version in v1.34.4 v1.37.2; do
	go get "k8s.io/kubernetes@$version" 2>/dev/null
	go run . >"$version"
done
cat v1.37.2
cat >want <<'TEXT'
$(HOME) becomes /root
$$(HOME) becomes $(HOME)
$(date) becomes $(date)
/tmp/$$ becomes /tmp/$
$$$$ becomes $$
$HOME $1 $ becomes $HOME $1 $
TEXT
cmp want v1.34.4
cmp want v1.37.2
