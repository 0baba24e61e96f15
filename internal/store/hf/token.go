package hf

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"github.com/shardfs/shardfs/internal/store"
)

// findToken finds the user's token as Hugging Face's tools do: in the environment, else in the file that hf auth login
// writes. It returns "" if there is none.
func findToken(getenv func(string) string) (string, error) {
	const none = "HF_HUB_DISABLE_IMPLICIT_TOKEN"
	if disabled, err := store.Switch(none, getenv(none)); disabled || err != nil {
		return "", err
	}
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if token := strings.TrimSpace(getenv(name)); token != "" {
			return token, nil
		}
	}
	b, err := os.ReadFile(tokenPath(getenv))
	if err != nil {
		return "", nil
	}
	return string(bytes.TrimSpace(b)), nil
}

// tokenPath returns where hf auth login writes the token.
func tokenPath(getenv func(string) string) string {
	expand := func(path string) string {
		if rest, ok := strings.CutPrefix(path, "~/"); ok {
			path = filepath.Join(getenv("HOME"), rest)
		}
		return path
	}
	if path := getenv("HF_TOKEN_PATH"); path != "" {
		return expand(path)
	}
	home := getenv("HF_HOME")
	if home == "" {
		cache := getenv("XDG_CACHE_HOME")
		if cache == "" {
			cache = "~/.cache"
		}
		home = filepath.Join(cache, "huggingface")
	}
	return filepath.Join(expand(home), "token")
}
