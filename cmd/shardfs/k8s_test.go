package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

var update = flag.Bool("update", false, "write the manifests that k8s prints to testdata/k8s and deploy/examples")

// manifests are command lines of k8s and what they print, in testdata/k8s. Words in ' may have spaces; IMAGE, SHARDS, OUT and HERE
// stand for others.
var manifests = []struct{ name, line string }{
	{"plain", "IMAGE SHARDS OUT -c true"},
	{"argv", "IMAGE SHARDS OUT -- python3 -c 'print(1)' -- --x"},
	{"named", "IMAGE SHARDS OUT --name ppm -n team-a -c true"},
	{"one-shard", "IMAGE /in.tar -o s3://b/out.tar -c true"},
	{"paths", "IMAGE /data/a.tar /data/b.tar -o /data/out/{name}.tar --pvc data:/data -c true"},
	{"run-flags", "IMAGE SHARDS OUT -j 4 --timeout 90s --on-error skip --max-failed 5% --sample-retries 2 " +
		"--add-log log --failed s3://b/bad/{name}.tar --if-exists overwrite --shell /bin/bash " +
		"--report s3://b/{index}.jsonl --mtime @0 -c true"},
	{"worker", "IMAGE SHARDS OUT --worker --jobs 50% -- python3 worker.py"},
	{"quoting", `IMAGE SHARDS OUT -c 'x="$(ls)" $$ $(HOME) $HOME \n é 日本 $'`},
	{"script", "IMAGE SHARDS OUT -c 'set -e\nfor f in *; do\n  echo \"$f\"\ndone\n'"},
	{"indented-script", "IMAGE SHARDS OUT -c '  a\nb'"},
	{"controls", "IMAGE SHARDS OUT -c 'a\x1bb\x7f\u0085\u2028\U000e0001'"},
	{"env", "IMAGE SHARDS OUT -e A=1 -e B= -e 'C=a $(b) c=d' -e _x.y-z=1 -c true"},
	{"env-of-ours", "IMAGE SHARDS OUT -e TMPDIR=/scratch -e HOME=/root -c true"},
	{"resources", "IMAGE SHARDS OUT -C 2500m -M 16Gi --scratch-size 200Gi -c true"},
	{"scratch-in-memory", "IMAGE SHARDS OUT -M 8Gi --scratch-size 4Gi:memory -c true"},
	{"gpu", "IMAGE SHARDS OUT -G 2 -C 8 -c true"},
	{"gpu-of-others", "IMAGE SHARDS OUT -G amd.com/gpu=1 -G example.com/nic=4 -c true"},
	{"secrets", "IMAGE SHARDS OUT --secret aws --secret gcp:/var/secrets/gcp -c true"},
	{"config-maps", "IMAGE SHARDS OUT --config-map settings --config-map tools:/tools -c true"},
	{"claims", "IMAGE --pvc in:/in:ro --pvc out:/out -o /out/{name}.tar /in/{a,b}.tar -c true"},
	{"everything-mounted", "IMAGE SHARDS OUT --secret a:/s --config-map b:/c --pvc d:/d --pvc d:/e -c true"},
	{"service-account", "IMAGE SHARDS OUT --service-account s3.reader -c true"},
	{"nodes", "IMAGE SHARDS OUT --node-selector disk=ssd --node-selector kubernetes.io/arch=amd64 " +
		"--node-selector true=1 --toleration gpu --toleration spot=true:NoSchedule " +
		"--toleration a.b/c:NoExecute -c true"},
	{"queue", "IMAGE SHARDS OUT --queue research -c true"},
	{"user", "IMAGE SHARDS OUT --user 1000:100 --pvc data:/data -c true"},
	{"user-of-image", "IMAGE SHARDS OUT --user image -c true"},
	{"user-root", "IMAGE SHARDS OUT --user 0 -c true"},
	{"fuse-device", "IMAGE SHARDS OUT --fuse device:smarter-devices/fuse -c true"},
	{"fuse-privileged", "IMAGE SHARDS OUT --fuse privileged --workspace fuse -c true"},
	{"tool-image", "SHARDS OUT -I debian:13-slim --tool-image ghcr.io/shardfs/shardfs@sha256:" +
		strings.Repeat("0af1", 16) + " -c true"},
	{"tool-image-fuse", "IMAGE SHARDS OUT --tool-image me/shardfs:1 --fuse device:x.io/fuse -G 1 -c true"},
	{"limits", "IMAGE SHARDS OUT --retries 0 --max-failed-indexes 0 --parallelism 148 --deadline 90m --ttl 0s " +
		"--suspend -c true"},
	{"parallel", "IMAGE SHARDS OUT --parallelism 1000 --deadline 1500ms -c true"},
	{"several-each", "IMAGE SHARDS OUT --shards-per-task 10 -c true"},
	{"all-in-one", "IMAGE SHARDS OUT --shards-per-task 148 -c true"},
	{"list", "IMAGE OUT @list -c true"},
	{"list-named", "IMAGE OUT @list --name ppm -n team-a --queue q -c true"},
	{"missing", "IMAGE --name some @list -o HERE/{name}.tar --only-missing -c true"},
	{"missing-each", "IMAGE --name some @list -o HERE/{index:03d}.tar --only-missing --shards-per-task 2 -c true"},
	{"hundred-thousand", "IMAGE OUT s3://b/{00000..99999}.tar -c true"},
	{"more-than-that", "IMAGE OUT s3://b/{000000..262143}.tar -c true"},
	{"longest-name", "IMAGE OUT s3://b/{00000..99999}.tar --name " + strings.Repeat("n", 57) + " -c true"},
	{"json", "IMAGE SHARDS OUT --format json -c true"},
	{"json-list", "IMAGE OUT --json @list -c true"},
}

// lineOf returns the arguments of a line of manifests.
func lineOf(line, dir string) (args []string) {
	words := strings.NewReplacer("IMAGE", "-I me/tools:1", "SHARDS", "s3://b/train-{0000..0147}.tar",
		"OUT", "-o s3://b/out/{name}.tar", "HERE", dir)
	for i, part := range strings.Split(words.Replace(line), "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return append([]string{"k8s"}, args...)
}

// k8sIn runs shardfs in a directory, and returns what it prints and says.
func k8sIn(t *testing.T, dir string, args ...string) (manifest []byte, said string) {
	t.Helper()
	cmd := shardfsIn(dir, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if failed := cmd.Run(); failed != nil {
		t.Fatalf("shardfs %q: %v: %s", args, failed, &err)
	}
	return out.Bytes(), err.String()
}

// k8sDir returns a directory with a list of shards, and some outputs.
func k8sDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := "# shards\ns3://b/x y.tar\n\ns3://b/z-{0..4}.tar\n"
	for name, text := range map[string]string{"list": list, "z-2.tar": "x", "001.tar": "x", "004.tar": "x"} {
		shardtest.Check(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

// Each command line prints the manifest that is kept, byte for byte.
func TestManifests(t *testing.T) {
	dir := k8sDir(t)
	kept := make(map[string]bool)
	for _, m := range manifests {
		name := m.name + ".yaml"
		if strings.HasPrefix(m.name, "json") {
			name = m.name + ".json"
		}
		kept[name] = true
		t.Run(m.name, func(t *testing.T) {
			args := lineOf(m.line, dir)
			got, _ := k8sIn(t, dir, args...)
			got = bytes.ReplaceAll(got, []byte(dir), []byte("/dir"))
			compareKept(t, filepath.Join("testdata/k8s", name), got)
			checkManifest(t, got)
		})
	}
	files, err := os.ReadDir("testdata/k8s")
	shardtest.Check(t, err)
	for _, f := range files {
		if !kept[f.Name()] {
			t.Errorf("testdata/k8s/%s: no command line prints it", f.Name())
		}
	}
}

// compareKept compares a text with a file, or writes it there.
func compareKept(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		shardtest.Check(t, os.MkdirAll(filepath.Dir(name), 0o755))
		shardtest.Check(t, os.WriteFile(name, got, 0o644))
		return
	}
	want, err := os.ReadFile(name)
	shardtest.Check(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s, which -update writes, has\n%s\nand not\n%s", name, want, got)
	}
}

// checkManifest checks what is so in every manifest.
func checkManifest(t *testing.T, text []byte) {
	t.Helper()
	objects := documents(t, text)
	job := objects[len(objects)-1]
	spec, _ := job["spec"].(map[string]any)
	pod := at[map[string]any](t, job, "spec", "template", "spec")
	main := at[[]any](t, pod, "containers")[0].(map[string]any)
	completions, name := at[int](t, spec, "completions"), at[string](t, job, "metadata", "name")
	last := fmt.Sprintf("%s-%d", name, completions-1)
	for what, ok := range map[string]bool{
		"an Indexed Job":                    job["kind"] == "Job" && spec["completionMode"] == "Indexed",
		"a pod has a name":                  len(last) <= 63,
		"parallelism":                       at[int](t, spec, "parallelism") <= completions && completions <= 100_000,
		"maxFailedIndexes":                  at[int](t, spec, "maxFailedIndexes") <= completions,
		"restartPolicy":                     pod["restartPolicy"] == "Never",
		"no token":                          pod["automountServiceAccountToken"] == false,
		"the container of podFailurePolicy": main["name"] == "main",
		"a read-only root":                  at[bool](t, main, "securityContext", "readOnlyRootFilesystem"),
		"a memory limit":                    at[string](t, main, "resources", "limits", "memory") != "",
	} {
		if !ok {
			t.Errorf("not so: %s", what)
		}
	}
	for _, v := range at[[]any](t, main, "env") {
		if v.(map[string]any)["name"] == "JOB_COMPLETION_INDEX" {
			t.Error("the index is set")
		}
	}
	for i, want := range [][]any{{64, 77}, {65, 66}} {
		rule := at[[]any](t, spec, "podFailurePolicy", "rules")[i].(map[string]any)
		if got := at[[]any](t, rule, "onExitCodes", "values"); !reflect.DeepEqual(got, want) {
			t.Errorf("exit statuses %v, want %v", got, want)
		}
	}
	var volumes, mounted []string
	for _, v := range at[[]any](t, pod, "volumes") {
		volumes = append(volumes, at[string](t, v.(map[string]any), "name"))
	}
	for _, m := range at[[]any](t, main, "volumeMounts") {
		mounted = append(mounted, at[string](t, m.(map[string]any), "name"))
	}
	if !slices.Equal(volumes, mounted) {
		t.Errorf("the volumes %q, mounted %q", volumes, mounted)
	}
	if len(objects) > 1 {
		config := objects[0]
		if config["kind"] != "ConfigMap" || at[string](t, config, "metadata", "name") != name+"-shards" {
			t.Errorf("the list is %v", config["metadata"])
		}
	}
}

// documents returns the objects of a manifest of YAML or JSON.
func documents(t *testing.T, text []byte) (objects []map[string]any) {
	t.Helper()
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o map[string]any
		err := d.Decode(&o)
		if err == io.EOF {
			return objects
		}
		shardtest.Check(t, err)
		if o["kind"] != "List" {
			objects = append(objects, o)
			continue
		}
		for _, item := range at[[]any](t, o, "items") {
			objects = append(objects, item.(map[string]any))
		}
	}
}

// at returns a value in an object.
func at[T any](t *testing.T, object map[string]any, path ...string) (value T) {
	t.Helper()
	var v any = object
	for _, name := range path {
		v = v.(map[string]any)[name]
	}
	value, ok := v.(T)
	if !ok {
		t.Fatalf("%v: %v, which is a %T", path, v, v)
	}
	return value
}

// The two formats have the same objects, and the same flags give the same bytes.
func TestManifestFormats(t *testing.T) {
	dir := k8sDir(t)
	for _, m := range manifests {
		if strings.HasPrefix(m.name, "json") {
			continue
		}
		args := lineOf(m.line, dir)
		as := func(format string) []byte {
			got, _ := k8sIn(t, dir, append([]string{"k8s", "--format", format}, args[1:]...)...)
			return got
		}
		asYAML, asJSON := as("yaml"), as("json")
		if again := as("yaml"); !bytes.Equal(again, asYAML) {
			t.Errorf("%s: %s\nand then %s", m.name, asYAML, again)
		}
		if !json.Valid(asJSON) {
			t.Errorf("%s: no JSON: %s", m.name, asJSON)
		}
		if got, want := documents(t, asJSON), documents(t, asYAML); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: as JSON\n%s\nas YAML\n%s", m.name, asJSON, asYAML)
		}
	}
}
