// Package kubernetes writes a run over many shards as a manifest: an Indexed Job, each index of which is a task, and a
// ConfigMap with the names of the shards where these are too many for the arguments.
//
// Its defaults are those with which nothing is lost and little can go wrong. An index that fails is tried again, alone;
// exit statuses say which failures are not worth that; evictions do not count. Pods have no privileges, no token of the
// cluster, and a file system that is read-only except for the scratch volume and volumes of the user.
//
// The package is pure, and knows no client of Kubernetes: the same Job gives the same bytes. What the API server would
// refuse, the functions that parse and check refuse; those of a single value are in parse.go.
package kubernetes

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/shardfs/shardfs/internal/array"
)

// MaxTasks is the greatest number of tasks: a Job with more has limits that are lower.
const MaxTasks = 100_000

// MaxList is the greatest size of a list of shards: that of a ConfigMap.
const MaxList = 1 << 20

// Job describes a Job. The fields Array, Image, CPU, Memory, Scratch and Parallelism must be set; of others, the zero value
// means that there is nothing of the kind.
type Job struct {
	Name      string // "" means one that is made of the rest
	Namespace string // "" means that of kubectl
	Array     *array.Array
	Version   string // of shardfs
	Input     string // the shards and the output, for people, without credentials
	Output    string

	Image     string // with shardfs in it, unless there is a ToolImage
	ToolImage string // with shardfs in it, which it puts beside the Image
	User      User
	CPU       Quantity
	Memory    Quantity
	Devices   []Amount // such as GPUs
	Scratch   Scratch
	FUSE      FUSE

	Env        []Variable
	Secrets    []Mount
	ConfigMaps []Mount
	Claims     []Mount

	Parallelism      int
	Retries          int // of each index
	MaxFailedIndexes int // negative means a tenth of them, at least one
	Deadline         time.Duration
	TTL              time.Duration // after the end of the Job
	Suspended        bool
	ServiceAccount   string
	NodeSelector     []Variable
	Tolerations      []Toleration
	Queue            string // of Kueue
}

// User is the user of the containers. The zero value means that of the image.
type User struct {
	UID, GID int
	Given    bool
}

// Scratch is the volume for temporary files.
type Scratch struct {
	Size     Quantity
	InMemory bool
}

// FUSE is how pods get the device of FUSE. The zero value means not at all.
type FUSE struct {
	Resource   string // of a device plugin
	Privileged bool
}

// Variable is a name and its value.
type Variable struct{ Name, Value string }

// Amount is an amount of a resource.
type Amount struct {
	Resource string
	Amount   string
}

// Mount is an object of the cluster and where it is mounted. Without Path it is not mounted: its values are variables of
// the environment.
type Mount struct {
	Name, Path string
	ReadOnly   bool
}

// Toleration lets pods run on nodes with a taint.
type Toleration struct {
	Key, Value, Effect string
	Exists             bool // whatever the value is
}

// Where things are in a container.
const (
	scratchDir = "/tmp"
	listDir    = "/etc/shardfs"
	listFile   = "shards"
	toolDir    = "/opt/shardfs"
	mainName   = "main"
)

// Statuses are exit statuses of tasks. All others are worth another try.
type Statuses struct {
	FailJob   []int // every task would fail so
	FailIndex []int // the task would fail again
}

// Manifest is a Job and its ConfigMap, if it has one.
type Manifest struct {
	Name    string
	objects []object
}

// New returns the manifest of a Job, or an error if parts of it do not fit together.
func New(j Job, s Statuses) (*Manifest, error) {
	if j.MaxFailedIndexes < 0 {
		j.MaxFailedIndexes = max(1, j.Array.Starts()/10)
	}
	if j.Name == "" {
		nameless := j
		nameless.Version = "" // a new version makes the same Job
		sum := sha256.Sum256((&Manifest{objects: nameless.objects(s)}).YAML())
		j.Name = fmt.Sprintf("shardfs-%x", sum[:4])
	}
	if err := j.check(); err != nil {
		return nil, err
	}
	return &Manifest{Name: j.Name, objects: j.objects(s)}, nil
}

// YAML returns the manifest as YAML documents.
func (m *Manifest) YAML() []byte {
	var w writer
	for i, o := range m.objects {
		if i > 0 {
			w.WriteString("---\n")
		}
		var one writer
		one.yaml(o, 0, false)
		w.Write(one.Bytes()[1:]) // without the newline before the first field
	}
	return w.Bytes()
}

// JSON returns the manifest as one object of JSON: the Job, or a List.
func (m *Manifest) JSON() []byte {
	var w writer
	if len(m.objects) == 1 {
		w.json(m.objects[0], 0)
	} else {
		var items list
		for _, o := range m.objects {
			items = append(items, o)
		}
		w.json(object{{"apiVersion", "v1"}, {"kind", "List"}, {"items", items}}, 0)
	}
	w.WriteByte('\n')
	return w.Bytes()
}

// maxAnnotations is the greatest size of all annotations of an object. The copy of the object that kubectl apply keeps in
// one also has fields that kubectl adds, for which some bytes are spared.
const maxAnnotations = 256<<10 - 1<<10

// TooLargeToApply reports whether kubectl apply refuses the manifest unless it is --server-side, because it keeps a copy of
// each object in an annotation.
func (m *Manifest) TooLargeToApply() bool {
	for _, o := range m.objects {
		if appliedSize(o) > maxAnnotations {
			return true
		}
	}
	return false
}

func (j *Job) objects(s Statuses) (all []object) {
	if j.Array.List != nil {
		all = append(all, object{
			{"apiVersion", "v1"},
			{"kind", "ConfigMap"},
			{"metadata", j.metadata(j.listName(), nil)},
			{"immutable", true}, // tasks that start later must read the same list
			{"data", object{{listFile, string(j.Array.List)}}},
		})
	}
	return append(all, object{
		{"apiVersion", "batch/v1"},
		{"kind", "Job"},
		{"metadata", j.metadata(j.Name, object{
			{"shardfs/version", orNil(j.Version, j.Version != "")},
			{"shardfs/input", j.Input},
			{"shardfs/output", j.Output},
		})},
		{"spec", j.spec(s)},
	})
}

// listName returns the name of the ConfigMap.
func (j *Job) listName() string { return j.Name + "-shards" }

func (j *Job) metadata(name string, annotations object) object {
	labels := j.labels()
	if j.Queue != "" && annotations != nil {
		labels = append(labels, field{"kueue.x-k8s.io/queue-name", j.Queue})
	}
	return object{
		{"name", name},
		{"namespace", orNil(j.Namespace, j.Namespace != "")},
		{"labels", labels},
		{"annotations", orNil(annotations, annotations != nil)},
	}
}

// labels returns the labels of all objects and pods.
func (j *Job) labels() object {
	return object{
		{"app.kubernetes.io/name", "shardfs"},
		{"app.kubernetes.io/instance", j.Name},
		{"app.kubernetes.io/managed-by", "shardfs"},
	}
}

func (j *Job) spec(s Statuses) object {
	return object{
		{"suspend", orNil(true, j.Suspended)},
		{"completionMode", "Indexed"},
		{"completions", j.Array.Starts()},
		{"parallelism", min(j.Parallelism, j.Array.Starts())},
		{"backoffLimitPerIndex", j.Retries},
		{"maxFailedIndexes", j.MaxFailedIndexes},
		{"podReplacementPolicy", "Failed"}, // two pods of an index do not run at a time
		{"activeDeadlineSeconds", orNil(seconds(j.Deadline), j.Deadline > 0)},
		{"ttlSecondsAfterFinished", seconds(j.TTL)},
		{"podFailurePolicy", object{{"rules", list{
			onExit("FailJob", s.FailJob),
			onExit("FailIndex", s.FailIndex),
			object{
				{"action", "Ignore"},
				{"onPodConditions", list{object{{"type", "DisruptionTarget"}, {"status", "True"}}}},
			},
		}}}},
		{"template", object{
			{"metadata", object{{"labels", j.labels()}}},
			{"spec", j.pod()},
		}},
	}
}

// seconds returns a time in seconds, rounded up.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// onExit returns what happens after some exit statuses, which are sorted.
func onExit(action string, statuses []int) object {
	var values list
	for _, status := range statuses {
		values = append(values, status)
	}
	return object{
		{"action", action},
		{"onExitCodes", object{{"containerName", mainName}, {"operator", "In"}, {"values", values}}},
	}
}
