package hf

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTokens(t *testing.T) {
	home := t.TempDir()
	write := func(path, token string) {
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".cache/huggingface/token", "of-login")
	write("x/huggingface/token", "of-xdg")
	write("h/token", "of-hf-home")
	write("t", "of-path")
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "of-login"},
		{map[string]string{"XDG_CACHE_HOME": home + "/x"}, "of-xdg"},
		{map[string]string{"XDG_CACHE_HOME": home + "/x", "HF_HOME": "~/h"}, "of-hf-home"},
		{map[string]string{"HF_HOME": "~/h", "HF_TOKEN_PATH": "~/t"}, "of-path"},
		{map[string]string{"HF_TOKEN_PATH": "~/t", "HUGGING_FACE_HUB_TOKEN": " old\n"}, "old"},
		{map[string]string{"HF_TOKEN": "new\n", "HUGGING_FACE_HUB_TOKEN": "old"}, "new"},
		{map[string]string{"HF_TOKEN": "new", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "yes"}, ""},
		{map[string]string{"HF_HOME": "/nowhere"}, ""},
	} {
		getenv := func(name string) string {
			if name == "HOME" {
				return home
			}
			return tt.env[name]
		}
		if got, err := findToken(getenv); got != tt.want || err != nil {
			t.Errorf("%v: token %q, %v, want %q", tt.env, got, err, tt.want)
		}
	}
}
