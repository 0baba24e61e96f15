package kubernetes

import (
	"fmt"
	"slices"
	"strings"
)

// grace is how long, in seconds, a task has to end when its pod is deleted.
const grace = 30

func (j *Job) pod() object {
	return object{
		{"restartPolicy", "Never"}, // with OnFailure the Job would not count failures of an index
		{"terminationGracePeriodSeconds", grace},
		{"automountServiceAccountToken", false},
		{"enableServiceLinks", false},
		{"serviceAccountName", orNil(j.ServiceAccount, j.ServiceAccount != "")},
		{"nodeSelector", orNil(variables(j.NodeSelector), len(j.NodeSelector) > 0)},
		{"tolerations", j.tolerations()},
		{"securityContext", j.podSecurity()},
		{"initContainers", j.initContainers()},
		{"containers", list{j.container()}},
		{"volumes", j.volumes()},
	}
}

// variables returns names and values as an object.
func variables(all []Variable) (o object) {
	for _, v := range all {
		o = append(o, field{v.Name, v.Value})
	}
	return o
}

func (j *Job) tolerations() any {
	var l list
	for _, t := range j.Tolerations {
		operator := "Equal"
		if t.Exists {
			operator = "Exists"
		}
		l = append(l, object{
			{"key", t.Key},
			{"operator", operator},
			{"value", orNil(t.Value, !t.Exists)},
			{"effect", orNil(t.Effect, t.Effect != "")},
		})
	}
	return orNil(l, len(l) > 0)
}

// podSecurity returns what the Pod Security Standard "restricted" wants of pods, unless FUSE needs more. Volumes belong to
// the group of the user, who could not write to them otherwise.
func (j *Job) podSecurity() object {
	u, root := j.User, j.User.Given && j.User.UID == 0
	group := u.Given && u.GID != 0
	return object{
		{"runAsNonRoot", !root},
		{"runAsUser", orNil(u.UID, u.Given)},
		{"runAsGroup", orNil(u.GID, u.Given)},
		{"fsGroup", orNil(u.GID, group)},
		{"fsGroupChangePolicy", orNil("OnRootMismatch", group && len(j.Claims) > 0)}, // large volumes take long
		{"seccompProfile", object{{"type", "RuntimeDefault"}}},
	}
}

// security returns the same of a container.
func (j *Job) security() object {
	unprivileged := object{
		{"allowPrivilegeEscalation", false},
		{"readOnlyRootFilesystem", true},
		{"capabilities", object{{"drop", list{"ALL"}}}},
	}
	switch {
	case j.FUSE.Privileged:
		return object{{"privileged", true}, {"readOnlyRootFilesystem", true}}
	case j.FUSE.Resource != "":
		return object{
			{"readOnlyRootFilesystem", true},
			{"capabilities", object{{"drop", list{"ALL"}}, {"add", list{"SYS_ADMIN"}}}},
			{"appArmorProfile", object{{"type", "Unconfined"}}}, // the profile of nodes with AppArmor forbids to mount
		}
	}
	return unprivileged
}

// program returns the path of shardfs in the container.
func (j *Job) program() string {
	if j.ToolImage != "" {
		return toolDir + "/shardfs"
	}
	return "shardfs"
}

// initContainers returns the container that puts the program of the tool's image into a volume.
func (j *Job) initContainers() any {
	if j.ToolImage == "" {
		return nil
	}
	plain := *j
	plain.FUSE, plain.Devices = FUSE{}, nil
	return list{object{
		{"name", "tool"},
		{"image", j.ToolImage},
		{"command", list{"shardfs", "install", toolDir}},
		{"resources", plain.resources()},
		{"securityContext", plain.security()},
		{"terminationMessagePolicy", "FallbackToLogsOnError"},
		{"volumeMounts", list{object{{"name", "tool"}, {"mountPath", toolDir}}}},
	}}
}

func (j *Job) container() object {
	var command list
	for _, arg := range j.Array.Argv(j.program(), listDir+"/"+listFile) {
		command = append(command, literal(arg))
	}
	var from list
	for _, s := range j.Secrets {
		if s.Path == "" {
			from = append(from, object{{"secretRef", object{{"name", s.Name}}}})
		}
	}
	for _, c := range j.ConfigMaps {
		if c.Path == "" {
			from = append(from, object{{"configMapRef", object{{"name", c.Name}}}})
		}
	}
	return object{
		{"name", mainName},
		{"image", j.Image},
		{"command", command},
		{"env", j.env()},
		{"envFrom", orNil(from, len(from) > 0)},
		{"resources", j.resources()},
		{"securityContext", j.security()},
		{"terminationMessagePolicy", "FallbackToLogsOnError"},
		{"volumeMounts", j.volumeMounts()},
	}
}

// literal returns a text in which Kubernetes finds nothing to replace: $(NAME) would become the value of a variable, and $$
// one $.
func literal(s string) string {
	var b strings.Builder
	for i, c := range []byte(s) {
		b.WriteByte(c)
		if next := s[i+1:]; c == '$' && next != "" && (next[0] == '$' || next[0] == '(') {
			b.WriteByte('$')
		}
	}
	return b.String()
}

// terminationLog is the file whose text Kubernetes shows as the reason why a container has ended.
const terminationLog = "/dev/termination-log"

// failures is what a pod is told of how often its index has failed before, for the attempt in what a task says.
var failures = field{"valueFrom", object{{"fieldRef", object{
	{"fieldPath", "metadata.annotations['batch.kubernetes.io/job-index-failure-count']"},
}}}}

// env returns the environment. What the user sets is left as it is.
func (j *Job) env() (l list) {
	ours := []Variable{{"TMPDIR", scratchDir}, {"SHARDFS_TERMINATION_LOG", terminationLog}}
	if j.User.Given {
		ours = append(ours, Variable{"HOME", scratchDir}) // a user whom the image does not know has none
	}
	set := func(name string) bool {
		return slices.ContainsFunc(j.Env, func(u Variable) bool { return u.Name == name })
	}
	for _, v := range ours {
		if !set(v.Name) {
			l = append(l, object{{"name", v.Name}, {"value", v.Value}})
		}
	}
	if name := "SHARDFS_TASK_FAILURES"; !set(name) {
		l = append(l, object{{"name", name}, failures})
	}
	for _, v := range j.Env {
		l = append(l, object{{"name", v.Name}, {"value", literal(v.Value)}})
	}
	return l
}

// resources returns what a pod asks for. Nothing limits its CPUs: what others do not use is free.
func (j *Job) resources() object {
	requests := object{{"cpu", j.CPU.Text}, {"memory", j.Memory.Text}}
	limits := object{{"memory", j.Memory.Text}}
	if !j.Scratch.InMemory {
		requests = append(requests, field{"ephemeral-storage", j.Scratch.Size.Text})
	}
	devices := j.Devices
	if j.FUSE.Resource != "" {
		devices = append(slices.Clone(devices), Amount{j.FUSE.Resource, "1"})
	}
	for _, d := range devices {
		limits = append(limits, field{d.Resource, d.Amount})
	}
	return object{{"requests", requests}, {"limits", limits}}
}

// volume is a volume and where it is mounted; "" for nowhere.
type volume struct {
	name, path string
	readOnly   bool
	source     field
}

// all returns the volumes of a pod.
func (j *Job) all() []volume {
	size := object{{"sizeLimit", j.Scratch.Size.Text}}
	if j.Scratch.InMemory {
		size = append(object{{"medium", "Memory"}}, size...)
	}
	volumes := []volume{{"scratch", scratchDir, false, field{"emptyDir", size}}}
	if j.Array.List != nil {
		source := field{"configMap", object{{"name", j.listName()}}}
		volumes = append(volumes, volume{"shards", listDir, true, source})
	}
	if j.ToolImage != "" {
		volumes = append(volumes, volume{"tool", toolDir, true, field{"emptyDir", object{}}})
	}
	add := func(kind string, mounts []Mount, source func(m Mount) field) {
		for i, m := range mounts {
			if m.Path != "" {
				volumes = append(volumes, volume{fmt.Sprintf("%s-%d", kind, i), m.Path, m.ReadOnly, source(m)})
			}
		}
	}
	add("secret", j.Secrets, func(m Mount) field { return field{"secret", object{{"secretName", m.Name}}} })
	add("config-map", j.ConfigMaps, func(m Mount) field { return field{"configMap", object{{"name", m.Name}}} })
	add("pvc", j.Claims, func(m Mount) field {
		return field{"persistentVolumeClaim", object{{"claimName", m.Name}, {"readOnly", orNil(true, m.ReadOnly)}}}
	})
	return volumes
}

func (j *Job) volumes() (l list) {
	for _, v := range j.all() {
		l = append(l, object{{"name", v.name}, v.source})
	}
	return l
}

func (j *Job) volumeMounts() (l list) {
	for _, v := range j.all() {
		l = append(l, object{{"name", v.name}, {"mountPath", v.path}, {"readOnly", orNil(true, v.readOnly)}})
	}
	return l
}
