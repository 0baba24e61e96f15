package manifest

import (
	"strings"
	"testing"
)

// The server refuses what shardfs k8s refuses: each of these changes of a good manifest.
func TestRefused(t *testing.T) {
	good := byHand(t)
	for _, tt := range []struct{ name, old, new, want string }{
		{"unknown field", `completionMode:`, `completionmode:`, `unknown field "spec.completionmode"`},
		{"repeated field", `completions: 148`, "completions: 148\n  completions: 149", `already set in map`},
		{"type of a field", `parallelism: 16`, `parallelism: "16"`, "cannot unmarshal string"},
		{"name", `name: "to-ppm"` + "\n  labels", `name: "to_ppm"` + "\n  labels", "RFC 1123 subdomain"},
		{"host name", `name: "to-ppm"` + "\n  labels", `name: "` + strings.Repeat("n", 60) + `"` + "\n  labels",
			"will not able to create pod with invalid DNS label"},
		{"label", `instance: "to-ppm"`, `instance: "to ppm"`, "a valid label must be"},
		{"completions", `completions: 148`, `completions: -1`, "must be greater than or equal to 0"},
		{"limits above 100 000",
			"completions: 148\n  parallelism: 16\n  backoffLimitPerIndex: 3\n  maxFailedIndexes: 14",
			"completions: 100001\n  parallelism: 16\n  backoffLimitPerIndex: 3\n  maxFailedIndexes: 10001",
			"must be less than or equal to 10000"},
		{"parallelism", `parallelism: 16`, `parallelism: 100001`, "must be less than or equal to 100000"},
		{"failed indexes", `maxFailedIndexes: 14`, `maxFailedIndexes: 149`,
			"must be less than or equal to completions"},
		{"failed indexes alone", `backoffLimitPerIndex: 3`, `backoffLimit: 3`, "when maxFailedIndexes is specified"},
		{"restarts", `restartPolicy: "Never"`, `restartPolicy: "OnFailure"`, `only "Never" is supported`},
		{"order of exit codes", `[64, 77]`, `[77, 64]`, "must be ordered"},
		{"no container of that name", `containerName: "main", operator: "In", values: [64, 77]`,
			`containerName: "other", operator: "In", values: [64, 77]`,
			"must be one of the container or initContainer names"},
		{"deadline", `ttlSecondsAfterFinished: 604800`, `activeDeadlineSeconds: -1`,
			"must be greater than or equal to 0"},
		{"time to live", `ttlSecondsAfterFinished: 604800`, `ttlSecondsAfterFinished: -1`,
			"must be greater than or equal to 0"},
		{"quantity", `cpu: "1"`, `cpu: "one"`, "quantities must match"},
		{"negative quantity", `cpu: "1"`, `cpu: "-1"`, "must be greater than or equal to 0"},
		{"request above the limit", `cpu: "1", memory: "2Gi"`, `cpu: "1", memory: "4Gi"`,
			"must be less than or equal to memory limit"},
		{"resource", `cpu: "1", memory`, `gpus: "1", memory`, "must be a standard resource type or fully qualified"},
		{"fraction of a device", `limits: {memory: "2Gi"`, `limits: {nvidia.com/gpu: "0.5", memory: "2Gi"`,
			"must be an integer"},
		{"variable", `name: "TMPDIR"`, `name: "TMP=DIR"`, "a valid environment variable name"},
		{"image", `image: "ghcr.io/shardfs/shardfs:1"`, `image: ""`, "Required value"},
		{"place of a volume", `mountPath: "/shardfs/shards"`, `mountPath: "/scratch"`, "must be unique"},
		{"no such volume", `name: "shards", mountPath`, `name: "lists", mountPath`, "Not found"},
		{"size of a volume", `sizeLimit: "10Gi"`, `sizeLimit: "-1"`, "must be a valid resource quantity"},
		{"user", `runAsUser: 65532`, `runAsUser: -1`, "must be between 0 and 2147483647"},
		{"node selector", `restartPolicy: "Never"`, "restartPolicy: \"Never\"\n      nodeSelector: {\"disk\": \"a b\"}",
			"a valid label must be"},
		{"toleration", `restartPolicy: "Never"`,
			"restartPolicy: \"Never\"\n      tolerations: [{key: \"a b\", operator: \"Exists\"}]",
			"name part must consist of"},
		{"effect of a toleration", `restartPolicy: "Never"`,
			"restartPolicy: \"Never\"\n      tolerations: [{key: \"a\", operator: \"Exists\", effect: \"Never\"}]",
			"Unsupported value"},
		{"service account", `restartPolicy: "Never"`, "restartPolicy: \"Never\"\n      serviceAccountName: \"A\"",
			"RFC 1123 subdomain"},
		{"namespace", `name: "to-ppm"` + "\n  labels", "name: \"to-ppm\"\n  namespace: \"a.b\"\n  labels",
			"must not contain dots"},
		{"size of the list", "\ndata:", "\nbinaryData: {more: \"" + strings.Repeat("AAAA", 1<<20/3) + "\"}\ndata:",
			"may not be more than 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Admit([]byte(with(t, good, tt.old, tt.new)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// The server admits what shardfs k8s writes at the limits, and some of what it refuses.
func TestAdmitted(t *testing.T) {
	good := byHand(t)
	list := `"s3://b/train-0000.tgz\ns3://b/train-0001.tgz\n"`
	for _, tt := range []struct{ name, old, new string }{
		{"longest name", `name: "to-ppm"` + "\n  labels", `name: "` + strings.Repeat("n", 59) + `"` + "\n  labels"},
		{"100 000 indexes", `completions: 148`, `completions: 100000`},
		{"largest list", list, `"` + strings.Repeat("x", 1<<20) + `"`},
		{"index of the template", `{name: "TMPDIR", value: "/scratch"}`, `{name: "JOB_COMPLETION_INDEX", value: "0"}`},
		{"nonsense for exit codes", `[64, 77]`, `[-1, 256, 1000]`},
	} {
		t.Run(tt.name, func(t *testing.T) { admit(t, with(t, good, tt.old, tt.new)) })
	}
}
