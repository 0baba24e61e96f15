package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/shardfs/shardfs/internal/array"
	k8s "github.com/shardfs/shardfs/internal/kubernetes"
	"github.com/shardfs/shardfs/internal/pipe"
	"github.com/shardfs/shardfs/internal/source"
	"github.com/shardfs/shardfs/internal/store"
	"github.com/shardfs/shardfs/internal/ui"
)

// k8sFlags are the flags of k8s.
type k8sFlags struct {
	array arrayFlags
	job   k8s.Job

	user   k8s.User
	format string
}

func newK8s(g *globals) *cobra.Command {
	var o k8sFlags
	cmd := &cobra.Command{
		Use:   "k8s " + arrayArgs,
		Short: "Print a run over many shards as a Job for Kubernetes",
		Long: `K8s prints an Indexed Job for kubectl apply. Each of its tasks is a pod with shardfs run for one shard,
or for --shards-per-task of them. The other flags of run are passed on; its --retries is --sample-retries here. A
failed task is tried again, unless its exit status says that this is no use, and skips what is published. Pods have
no privileges, are user 65532, and write only to volumes; samples are copied to $TMPDIR, as FUSE needs --fuse. No
cluster is asked, and the same flags give the same bytes. Flags that are not given can be in a file .shardfs.yaml:
k8s: {image: IMAGE, env: [A=1]}.`,
		Example: `  shardfs k8s -I me/tools:1 's3://b/train-{0000..0147}.tgz' -o 's3://b/ppm/{name}.tgz' \
      --secret aws -c 'gm convert sample.jpg sample.ppm; rm sample.jpg' | kubectl apply -f -
  shardfs k8s -I debian --tool-image me/shardfs:1 --pvc d:/data '/data/{0..9}.tar' -o '/data/{name}.tgz' -- ls`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), g, cmd, args) },
	}
	o.add(cmd.Flags(), g)
	return cmd
}

func (o *k8sFlags) add(flags *pflag.FlagSet, g *globals) {
	o.array.add(flags, g)
	j := &o.job
	one := func(v pflag.Value, name, letter, usage string) { flags.VarP(v, name, letter, usage) }
	image, label, name := checked(k8s.CheckImage), checked(k8s.CheckLabel), checked(k8s.CheckName)
	one(newParsed(&j.Image, image, ""), "image", "I", "`IMAGE` with the command, and shardfs")
	one(newParsed(&j.ToolImage, image, ""), "tool-image", "", "take shardfs from this `IMAGE`")
	one(newParsed(&j.Namespace, label, ""), "namespace", "n", "`NAMESPACE` of the Job")
	one(&parsedList[k8s.Amount]{&j.Devices, k8s.ParseDevices}, "gpu", "G", "`N` GPUs of Nvidia a task, or RESOURCE=N")
	one(newParsed(&j.Scratch, k8s.ParseScratch, "10Gi"), "scratch-size", "", "`SIZE` of $TMPDIR; SIZE:memory")
	one(newParsed(&o.user, k8s.ParseUser, ""), "user", "", "`UID[:GID]` of the pods, or image: that of the image")
	one(&parsedList[k8s.Mount]{&j.Secrets, k8s.ParseMount}, "secret", "",
		"variables from the Secret `NAME`, or NAME:/PATH: files")
	one(&parsedList[k8s.Mount]{&j.ConfigMaps, k8s.ParseMount}, "config-map", "", "the same from the ConfigMap `NAME`")
	one(&parsedList[k8s.Mount]{&j.Claims, k8s.ParseClaim}, "pvc", "", "mount the volume of a claim: `NAME:/PATH[:ro]`")
	one(newParsed(&j.ServiceAccount, name, ""), "service-account", "", "`NAME` of the service account")
	one(&parsedList[k8s.Variable]{&j.NodeSelector, k8s.ParseSelector}, "node-selector", "",
		"only nodes with the label `KEY=VALUE`")
	one(&parsedList[k8s.Toleration]{&j.Tolerations, k8s.ParseToleration}, "toleration", "",
		"also nodes with the taint `KEY[=VALUE][:EFFECT]`")
	one(newParsed(&j.Queue, label, ""), "queue", "", "`NAME` of a queue of Kueue")
	one(newParsed(&j.FUSE, k8s.ParseFUSE, ""), "fuse", "", "mount shards `HOW`: device:RESOURCE or privileged")
	flags.IntVar(&j.Retries, "retries", 3, "start a failed task up to `N` times more")
	flags.IntVar(&j.MaxFailedIndexes, "max-failed-indexes", -1, "give up when over `N` tasks have failed (default 10%)")
	flags.Lookup("max-failed-indexes").DefValue = "0" // which help does not show
	flags.DurationVar(&j.Deadline, "deadline", 0, "end the Job after `D`, as 12h")
	flags.DurationVar(&j.TTL, "ttl", 7*24*time.Hour, "remove the Job `D` after its end")
	flags.BoolVar(&j.Suspended, "suspend", false, "start nothing yet")
	flags.StringVar(&o.format, "format", "yaml", "`FORMAT`: yaml or json")
}

// run prints the manifest.
func (o *k8sFlags) run(ctx context.Context, g *globals, cmd *cobra.Command, args []string) error {
	if err := g.useDefaults(cmd); err != nil {
		return err
	}
	if err := o.check(cmd.Flags(), g.JSON); err != nil {
		return err
	}
	o.array.cpus, o.array.tasks = o.job.CPU.Whole(), k8s.MaxTasks
	o.array.maxArgs, o.array.maxList = 32<<10, k8s.MaxList
	a, err := o.array.array(ctx, g, cmd, args)
	if errors.Is(err, errNoneMissing) {
		g.Note("%s: %v, so there is no Job", store.Redact(o.array.run.output.name), err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := o.checkNames(a); err != nil {
		return err
	}
	j := &o.job
	j.Array, j.Version, j.Parallelism = a, version, o.array.parallelism
	j.Input, j.Output = shownInput(a, args), store.Redact(o.array.run.output.name)
	m, err := k8s.New(*j, k8s.Statuses{
		FailJob:   []int{exitUsage, exitPermission},
		FailIndex: []int{exitDamaged, exitNoShard},
	})
	if err != nil {
		return err
	}
	o.warn(g.UI, a)
	if m.TooLargeToApply() {
		g.Note("%s: too large for kubectl apply, unless it is kubectl apply --server-side, or kubectl create", m.Name)
	}
	o.array.sayArray(g.UI, m.Name, a)
	text := m.YAML()
	if o.format == "json" {
		text = m.JSON()
	}
	_, err = g.Out.Write(text)
	return err
}

// check checks the flags, and completes some by others.
func (o *k8sFlags) check(flags *pflag.FlagSet, json bool) error {
	if json && !flags.Changed("format") {
		o.format = "json"
	}
	switch o.job.User = o.user; {
	case flags.Changed("user"):
	case o.job.FUSE != k8s.FUSE{}:
		o.job.User = k8s.User{Given: true} // only root mounts
	default:
		o.job.User = k8s.User{UID: nobody, GID: nobody, Given: true}
	}
	j, f := &o.job, &o.array
	err := errors.Join(
		parseFlag(&j.CPU, "cpu", f.cpu, k8s.ParseCPU),
		parseFlag(&j.Memory, "memory", f.memory, k8s.ParseBytes),
	)
	if f.name != "" {
		err = errors.Join(err, parseFlag(&j.Name, "name", f.name, checked(k8s.CheckLabel)))
	}
	for _, text := range f.env {
		var v k8s.Variable
		err = errors.Join(err, parseFlag(&v, "env", text, k8s.ParseVariable))
		j.Env = append(j.Env, v)
	}
	if err != nil {
		return err
	}
	return firstBroken([]rule{
		{o.job.Image == "", "--image is missing: in which are the command and shardfs?"},
		{o.format != "yaml" && o.format != "json", "--format " + o.format + ": yaml or json"},
		{flags.Changed("max-failed-indexes") && o.job.MaxFailedIndexes < 0, "--max-failed-indexes: at least 0"},
	})
}

// nobody is the user of pods if none is given: the one of many images without a user of their own.
const nobody = 65532

// shownInput returns what names the shards, for people.
func shownInput(a *array.Array, args []string) string {
	shown := source.Shown(args[0])
	if more := len(args) - 1; a.Shards != nil && more > 0 {
		return fmt.Sprintf("%s and %d more", shown, more)
	}
	if a.List != nil {
		return ui.Count(a.Count, "shard")
	}
	return shown
}

// names yields the names of flags and arguments that are read or written by tasks, with what they are.
func (o *k8sFlags) names(a *array.Array, yield func(what, name string, written bool) bool) {
	run := &o.array.run
	shards := a.Shards
	if a.List != nil {
		shards = strings.Split(strings.TrimSuffix(string(a.List), "\n"), "\n")
	}
	for _, n := range []struct {
		what, name string
		written    bool
	}{
		{"-o ", run.output.name, true}, {"--failed ", run.failed, true}, {"--report ", run.report, true},
		{"--keys ", run.keys, false}, {"--index ", strings.TrimPrefix(run.from.index, "none"), false},
	} {
		if n.name != "" && !yield(n.what, n.name, n.written) {
			return
		}
	}
	for _, name := range shards {
		if list, ok := strings.CutPrefix(name, "@"); ok && store.IsRemote(list) {
			name = list
		}
		if !pipe.Is(name) && !yield("", name, false) {
			return
		}
	}
}

// checkNames returns an error if a name means another file in a pod.
func (o *k8sFlags) checkNames(a *array.Array) (err error) {
	o.names(a, func(what, name string, _ bool) bool {
		local, notLocal := store.Path(name)
		if notLocal == nil && !filepath.IsAbs(local) {
			err = ui.Usagef("%s%s: a relative path, and pods have another working directory", what, name)
			err = ui.WithHint(err, "--pvc NAME:/data mounts a volume, in which it could be /data/"+path.Base(name))
		}
		return err == nil
	})
	return err
}

// secret is a regular expression for names of variables that are kept secret.
const secret = `(?i)SECRET|PASSW|TOKEN|_KEY$`

// warn says what may not be as it is meant: secrets in the manifest, and outputs that are lost.
func (o *k8sFlags) warn(u *ui.UI, a *array.Array) {
	o.names(a, func(what, name string, written bool) bool {
		shown := what + store.Redact(name)
		if store.Redact(name) != name {
			u.WarnOnce("%s: the manifest has the whole URL, with what gives access to it", shown)
		}
		local, err := store.Path(name)
		if err == nil && written && !o.mounted(local) {
			u.Warn("%s: no --pvc is mounted there, so it would be lost with the pod", shown)
		}
		return true
	})
	for _, v := range o.job.Env {
		if regexp.MustCompile(secret).MatchString(v.Name) && !strings.HasPrefix(v.Value, "/") {
			u.Warn("--env %s: the manifest has its value; --secret NAME takes it from a Secret", v.Name)
		}
	}
}

// mounted reports whether a path is in the volume of a claim.
func (o *k8sFlags) mounted(name string) bool {
	for _, c := range o.job.Claims {
		if !c.ReadOnly && strings.HasPrefix(path.Clean(name), c.Path+"/") {
			return true
		}
	}
	return false
}
