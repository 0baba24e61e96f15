package manifest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// golden has the manifests that shardfs k8s prints, as its own tests keep them.
const golden = "../../../../cmd/shardfs/testdata/k8s"

// unrestricted are those whose pods have more rights than others, because the user wants it, and what the Pod Security
// Standard says about it.
var unrestricted = map[string]string{
	"fuse-device":     "allowPrivilegeEscalation != false",
	"fuse-privileged": "privileged",
	"tool-image-fuse": "allowPrivilegeEscalation != false",
	"user-root":       "runAsNonRoot != true",
}

// Each manifest is admitted without a warning, and its pods are restricted, except where the user wants to be root.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob(golden + "/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("%d manifests, at least 30 are wanted", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := admit(t, string(text))
			if len(m.Warnings) > 0 {
				t.Errorf("warnings: %q", m.Warnings)
			}
			got, want := m.Restricted(), unrestricted[name]
			if (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("restricted: %q, want %q", got, want)
			}
		})
	}
}

// What looks like a reference to a variable, to the kubelet, is what the user has written when the container starts.
func TestReferences(t *testing.T) {
	text, err := os.ReadFile(golden + "/quoting.yaml")
	if err != nil {
		t.Fatal(err)
	}
	container := admit(t, string(text)).Job.Spec.Template.Spec.Containers[0]
	known := map[string]string{}
	for _, e := range container.Env {
		known[e.Name] = expansion.Expand(e.Value, expansion.MappingFuncFor(known))
	}
	if known["HOME"] == "" {
		t.Error("the command refers to a variable that the container has not")
	}
	var got []string
	for _, word := range container.Command {
		got = append(got, expansion.Expand(word, expansion.MappingFuncFor(known)))
	}
	if want := `--command=x="$(ls)" $$ $(HOME) $HOME \n é 日本 $`; !slices.Contains(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
