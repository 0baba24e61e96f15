package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"github.com/shardfs/shardfs/internal/testing/kubernetes/sandbox"
)

// files are those of one container.
type files struct {
	output, termination string
}

// prepare makes the directories of the pod and its volumes.
func (p *pod) prepare() error {
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return err
	}
	for _, v := range p.Spec.Volumes {
		dir := p.volume(v.Name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		var data map[string][]byte
		var err error
		switch {
		case v.EmptyDir != nil:
			err = os.Chmod(dir, 0o777)
		case v.ConfigMap != nil:
			data, err = p.configMap(v.ConfigMap.Name)
		case v.Secret != nil:
			data, err = p.secret(v.Secret.SecretName)
		default:
			err = fmt.Errorf("volume %s: this node does not know its kind", v.Name)
		}
		if err != nil {
			return err
		}
		for name, content := range data {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pod) volume(name string) string { return filepath.Join(p.dir, "volume-"+name) }

// configMap returns what is in a ConfigMap.
func (p *pod) configMap(name string) (map[string][]byte, error) {
	var m *corev1.ConfigMap
	err := p.get(func(ctx context.Context) (err error) {
		m, err = p.node.client.CoreV1().ConfigMaps(p.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for name, text := range m.Data {
		data[name] = []byte(text)
	}
	for name, content := range m.BinaryData {
		data[name] = content
	}
	return data, nil
}

// secret returns what is in a Secret.
func (p *pod) secret(name string) (map[string][]byte, error) {
	var s *corev1.Secret
	err := p.get(func(ctx context.Context) (err error) {
		s, err = p.node.client.CoreV1().Secrets(p.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.Data, nil
}

// get repeats a request until the server answers, or the pod is to end.
func (p *pod) get(request func(context.Context) error) error {
	err := errors.New("the node is lost")
	p.insist(func(ctx context.Context) error {
		if err = request(ctx); p.ending() {
			return nil
		}
		return err
	})
	return err
}

// spec returns how a container is to be run, and its files.
func (p *pod) spec(c corev1.Container) (sandbox.Spec, files, error) {
	f := files{output: filepath.Join(p.dir, c.Name+".output"), termination: filepath.Join(p.dir, c.Name+".termination")}
	s := sandbox.Spec{Hostname: p.Spec.Hostname, User: p.node.image.User, Mounts: p.node.image.Mounts}
	if s.Hostname == "" {
		s.Hostname = p.Name
	}
	if pod := p.Spec.SecurityContext; pod != nil {
		s.User, s.Group = number(pod.RunAsUser, s.User), number(pod.FSGroup, 0)
	}
	s.Writable = true
	if own := c.SecurityContext; own != nil {
		s.User = number(own.RunAsUser, s.User)
		s.Writable = own.ReadOnlyRootFilesystem == nil || !*own.ReadOnlyRootFilesystem
	}
	if err := os.WriteFile(f.termination, nil, 0o666); err != nil {
		return s, f, err
	}
	if err := os.Chmod(f.termination, 0o666); err != nil { // whatever the umask is
		return s, f, err
	}
	s.Mounts = append(s.Mounts[:len(s.Mounts):len(s.Mounts)],
		sandbox.Mount{From: f.termination, To: terminationPath(c), Writable: true})
	for _, m := range c.VolumeMounts {
		from := filepath.Join(p.volume(m.Name), m.SubPath)
		s.Mounts = append(s.Mounts, sandbox.Mount{From: from, To: m.MountPath, Writable: !m.ReadOnly})
	}
	known, err := p.environment(c)
	if err != nil {
		return s, f, err
	}
	for name, value := range known {
		s.Env = append(s.Env, name+"="+value)
	}
	for _, word := range append(c.Command[:len(c.Command):len(c.Command)], c.Args...) {
		s.Argv = append(s.Argv, expansion.Expand(word, expansion.MappingFuncFor(known)))
	}
	if len(s.Argv) == 0 {
		return s, f, errors.New("there is no command")
	}
	return s, f, nil
}

func number(n *int64, otherwise int) int {
	if n == nil {
		return otherwise
	}
	return int(*n)
}

func terminationPath(c corev1.Container) string {
	if c.TerminationMessagePath != "" {
		return c.TerminationMessagePath
	}
	return corev1.TerminationMessagePathDefault
}

// environment returns the variables of a container, in which references to earlier ones are replaced.
func (p *pod) environment(c corev1.Container) (map[string]string, error) {
	known := map[string]string{}
	for _, e := range p.node.image.Env {
		name, value, _ := strings.Cut(e, "=")
		known[name] = value
	}
	for _, from := range c.EnvFrom {
		var data map[string][]byte
		var err error
		switch {
		case from.SecretRef != nil:
			data, err = p.secret(from.SecretRef.Name)
		case from.ConfigMapRef != nil:
			data, err = p.configMap(from.ConfigMapRef.Name)
		}
		if err != nil {
			return nil, err
		}
		for name, value := range data {
			known[from.Prefix+name] = string(value)
		}
	}
	for _, e := range c.Env {
		value := expansion.Expand(e.Value, expansion.MappingFuncFor(known))
		if e.ValueFrom != nil {
			var err error
			if value, err = p.valueFrom(e.ValueFrom); err != nil {
				return nil, fmt.Errorf("variable %s: %w", e.Name, err)
			}
		}
		known[e.Name] = value
	}
	return known, nil
}

// valueFrom returns a value that is elsewhere.
func (p *pod) valueFrom(source *corev1.EnvVarSource) (string, error) {
	switch {
	case source.FieldRef != nil:
		path := source.FieldRef.FieldPath
		if key, ok := strings.CutPrefix(path, "metadata.annotations['"); ok {
			return p.Annotations[strings.TrimSuffix(key, "']")], nil
		}
		if key, ok := strings.CutPrefix(path, "metadata.labels['"); ok {
			return p.Labels[strings.TrimSuffix(key, "']")], nil
		}
		if path == "metadata.name" {
			return p.Name, nil
		}
	case source.SecretKeyRef != nil:
		data, err := p.secret(source.SecretKeyRef.Name)
		return string(data[source.SecretKeyRef.Key]), err
	case source.ConfigMapKeyRef != nil:
		data, err := p.configMap(source.ConfigMapKeyRef.Name)
		return string(data[source.ConfigMapKeyRef.Key]), err
	}
	return "", errors.New("this node does not know where it is from")
}

// The most of a termination message, and of one that is taken from the output.
const (
	messageBytes = 4096
	outputBytes  = 2048
)

// message returns the termination message of a container.
func (f files) message(c corev1.Container, exit int) string {
	if text := tail(f.termination, messageBytes); text != "" {
		return text
	}
	if exit != 0 && c.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
		return tail(f.output, outputBytes)
	}
	return ""
}

// tail returns the end of a file.
func tail(path string, most int) string {
	text, _ := os.ReadFile(path)
	return string(text[max(0, len(text)-most):])
}
