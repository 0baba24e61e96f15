package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // some of the texts write files
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	if err := os.WriteFile(filepath.Join(dir, "no-interpreter"), []byte("echo hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text   string
		direct bool
	}{
		{"true", true},
		{"  true  ", true},
		{"cat sample.cls __key__", true},
		{"ls -l --all", true},
		{"true --version", false}, // the program would answer
		{"echo -n x", false},      // the shell's own differs
		{"cat sample.*", false},
		{"cat $SAMPLE_KEY", false},
		{"cat sample.cls >x", false},
		{"cat sample.cls\nls", false},
		{"A=1 ls", false},
		{"./tool", false}, // in the sample's directory
		{"cd ..", false},
		{"# nothing", false},
		{"!", false},
		{"no-such-program-anywhere", false},
		{"no-interpreter", false},
		{"", false},
	} {
		argv := CommandLine(DefaultShell, tt.text, false)
		if shell := []string{DefaultShell, "-c", tt.text}; slices.Equal(argv, shell) == tt.direct {
			t.Errorf("CommandLine(%q) = %q", tt.text, argv)
		}
		// Both ways give the same result.
		want, wantErr := exec.Command(DefaultShell, "-c", tt.text).CombinedOutput()
		got, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if string(got) != string(want) || (err == nil) != (wantErr == nil) {
			t.Errorf("%q: %q, %v, by a shell %q, %v", tt.text, got, err, want, wantErr)
		}
	}
	if argv := CommandLine("/bin/bash", "true", false); argv[0] != "/bin/bash" {
		t.Errorf("another shell was asked for, and %q is run", argv)
	}
}
