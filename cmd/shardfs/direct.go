package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// commandLine returns the argument list that runs a command's text: the shell's, or the command's own where the shell
// would do nothing but start it. Starting a shell first costs as much as starting a program. Arguments that are to follow are
// the shell's, "$@" in the text.
func commandLine(shell, text string, arguments bool) []string {
	if arguments {
		return []string{shell, "-c", text, shell}
	}
	if shell == defaultShell {
		if words := plainWords(text); words != nil && isProgram(words[0]) {
			return words
		}
	}
	return []string{shell, "-c", text}
}

const defaultShell = "/bin/sh"

// plainBytes are those that mean themselves to a shell, whatever stands around them.
const plainBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+.,:@/%"

// shellWords are the words that are a command of the shell's own, or of its syntax. True and false without arguments are
// not among them: there the programs do the same.
const shellWords = `. : alias bg bind break builtin caller case cd chdir command compgen complete continue coproc declare dirs
disown do done echo elif else enable esac eval exec exit export fc fg fi for function getopts hash help history if in jobs
kill let local logout mapfile popd printf pushd pwd read readarray readonly return select set shift shopt source suspend
test then time times trap type typeset ulimit umask unalias unset until wait while`

// plainWords splits a text that has no meaning to a shell but to start a program; it returns nil for any other.
func plainWords(text string) []string {
	words := strings.Fields(text)
	if len(words) == 0 || strings.ContainsAny(text, "\n\r\v\f") {
		return nil
	}
	for _, word := range words {
		if strings.Trim(word, plainBytes) != "" {
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

// isProgram reports whether the kernel can start a command. What it cannot, such as a script without a first line that
// says what runs it, the shell reads itself, and of what is not there it says so in its own way.
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
