package runner

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// CommandLine returns the arguments to run a shell command given as text. If the shell would only start a program, they
// are those of the program, because starting a shell first doubles the cost. If arguments is set, the caller will
// append arguments, to which the text refers as "$@".
func CommandLine(shell, text string, arguments bool) []string {
	if arguments {
		return []string{shell, "-c", text, shell}
	}
	if shell == DefaultShell {
		if words := plainWords(text); words != nil && isProgram(words[0]) {
			return words
		}
	}
	return []string{shell, "-c", text}
}

// DefaultShell is the path of a shell that every system has.
const DefaultShell = "/bin/sh"

// PlainBytes are the bytes without a special meaning for a shell, in any context.
const PlainBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.,:@/%"

// shellWords are the built-in commands and reserved words of shells. True and false are missing, because the programs
// with these names do the same.
const shellWords = `
. : alias bg bind break builtin caller case cd chdir command compgen complete continue coproc declare dirs
disown do done echo elif else enable esac eval exec exit export fc fg fi for function getopts hash help
history if in jobs kill let local logout mapfile popd printf pushd pwd read readarray readonly return select
set shift shopt source suspend test then time times trap type typeset ulimit umask unalias unset until wait
while`

// plainWords splits a text that only makes a shell start a program into words; it returns nil for any other text.
func plainWords(text string) []string {
	words := strings.Fields(text)
	if len(words) == 0 || strings.ContainsAny(text, "\n\r\v\f") {
		return nil
	}
	for _, word := range words {
		if strings.Trim(word, PlainBytes) != "" {
			return nil
		}
	}
	name := words[0]
	if slices.Contains(strings.Fields(shellWords), name) || strings.ContainsRune(name, '/') ||
		(name == "true" || name == "false") && len(words) > 1 {
		return nil
	}
	return words
}

// isProgram reports whether the kernel can start a command. Scripts without an interpreter line need the shell, and so
// do commands that do not exist, for which the shell has its own message and exit status.
func isProgram(name string) bool {
	path, err := exec.LookPath(name)
	if err != nil {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 4)
	if _, err := io.ReadFull(f, head); err != nil {
		return false
	}
	return bytes.HasPrefix(head, []byte("#!")) || string(head) == "\x7fELF"
}
