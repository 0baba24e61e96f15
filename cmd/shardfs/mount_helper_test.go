package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
	"github.com/shardfs/shardfs/internal/testing/skip"
)

func TestHelperArguments(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"s d", ""},
		{"s d -o rw", ""},
		{"s d -n -s -v -o ro,nosuid -t fuse.shardfs", "--verbose --read-only --option=nosuid"},
		{"s d -o defaults,auto,noauto,user=me,users,nofail,_netdev,x-systemd.automount,X-mount.mkdir,comment=x,,", ""},
		{"s d -o ro -o allow_other,scratch=/a=b", "--read-only --option=allow_other --scratch=/a=b"},
		{`s d -o scratch="/a,b",context="x:c1,c2"`, `--scratch=/a,b --option="context=x:c1,c2"`},
		{"s d -o allow-truncated,cache-size=10G,quiet", "--allow-truncated --cache-size=10G --quiet"},
		{"s d -o foreground,max_read=4096,json", "--option=foreground --option=max_read=4096 --option=json"},
		{"-o ro -- s d", "--read-only"},
	} {
		got, fake, err := helperArguments(strings.Fields(tt.args))
		want := slices.Concat([]string{"mount"}, strings.Fields(tt.want), []string{"--", "s", "d"})
		if err != nil || fake || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %t, %v, want %q", tt.args, got, fake, err, want)
		}
	}
	if _, fake, err := helperArguments([]string{"s", "d", "-f"}); !fake || err != nil {
		t.Errorf("-f: %t, %v", fake, err)
	}
	for _, args := range []string{
		"", "s", "s d e", "s d -o", "s d -N x", "s d -o remount", "s d -o index", "s d -o =", "-h",
	} {
		got, _, err := helperArguments(strings.Fields(args))
		if status := helperStatus(exitStatus(err)); status != helperUsage {
			t.Errorf("%s: %q, %v, status %d", args, got, err, status)
		}
	}
	for status, want := range map[int]int{exitOK: 0, exitPermission: 1, exitNoShard: 32, exitIO: 32, 130: 8, 143: 8} {
		if got := helperStatus(status); got != want {
			t.Errorf("status %d: %d, want %d", status, got, want)
		}
	}
}

// systemd understands the units of deploy/systemd, and what it makes of the fstab in docs/at-boot.md; a mistake in one it
// would tell.
func TestUnits(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		skip.Without(t, "systemd: %v", err)
	}
	said := func(units ...string) string {
		cmd := exec.Command(verify, append([]string{"verify", "--man=no"}, units...)...)
		cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=warning")
		out, err := cmd.CombinedOutput()
		if err != nil && len(out) == 0 {
			out = []byte(err.Error())
		}
		return string(out)
	}
	units, err := filepath.Glob("../../deploy/systemd/*.*mount")
	shardtest.Check(t, err)
	if len(units) < 3 {
		t.Fatalf("units: %q", units)
	}
	if out := said(units...); strings.Contains(out, "srv-") {
		t.Errorf("units: %s", out)
	}
	text, err := os.ReadFile("../../deploy/systemd/srv-train.mount")
	shardtest.Check(t, err)
	wrong := filepath.Join(t.TempDir(), "srv-other.mount")
	shardtest.Check(t, os.WriteFile(wrong, bytes.ReplaceAll(text, []byte("Type="), []byte("Typo=")), 0o644))
	if out := said(wrong); !strings.Contains(out, "Typo") {
		t.Errorf("a unit with a mistake: %q", out)
	}

	generator := "/usr/lib/systemd/system-generators/systemd-fstab-generator"
	if _, err := os.Stat(generator); err != nil {
		skip.Without(t, "the generator of systemd: %v", err)
	}
	document, err := os.ReadFile("../../docs/at-boot.md")
	shardtest.Check(t, err)
	fstab := regexp.MustCompile("(?s)```text\n(.*?)```").FindSubmatch(document)
	if fstab == nil {
		t.Fatal("docs/at-boot.md has no fstab")
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "fstab")
	shardtest.Check(t, os.WriteFile(name, fstab[1], 0o644))
	cmd := exec.Command(generator, dir, dir, dir)
	cmd.Env = append(os.Environ(), "SYSTEMD_FSTAB="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*.mount"))
	shardtest.Check(t, err)
	if len(made) != bytes.Count(fstab[1], []byte("\n"))-1 {
		t.Errorf("made %q", made)
	}
	if out := said(made...); strings.Contains(out, "srv-") {
		t.Errorf("fstab: %s", out)
	}
}
