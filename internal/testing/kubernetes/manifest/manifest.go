// Package manifest does with a manifest what the API server of Kubernetes does before it keeps it, by the server's own code:
// strict decoding, defaults, preparation, validation and warnings, without a server.
//
// The version of Kubernetes is that of the go.mod: go.mod itself has the oldest one that shardfs k8s is for, newest.mod the
// newest one.
//
// Only tests import this package.
package manifest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install" // its types, for the codecs
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // likewise
	"k8s.io/kubernetes/pkg/capabilities"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/pod-security-admission/policy"
)

// strict decodes what people write to the types that the server works with; unknown and repeated fields are errors.
var strict = serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)

// Manifest is what the server would keep.
type Manifest struct {
	Job        *batchv1.Job
	ConfigMaps []*corev1.ConfigMap
	Warnings   []string // which kubectl prints
}

// Admit reads a manifest, of YAML documents or a List, with one Job and its ConfigMaps, and returns what a server keeps of it. It
// returns an error that the server would answer with, or because the manifest contains anything else.
func Admit(text []byte) (*Manifest, error) {
	capabilities.Initialize(capabilities.Capabilities{AllowPrivileged: true}) // as all clusters are today
	m := &Manifest{}
	for r := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		if err := m.add(document); err != nil {
			return nil, err
		}
	}
	if m.Job == nil {
		return nil, errors.New("there is no Job")
	}
	return m, nil
}

// add admits one document.
func (m *Manifest) add(document []byte) error {
	object, kind, err := strict.UniversalDecoder().Decode(document, nil, nil)
	if err != nil {
		return err
	}
	switch object := object.(type) {
	case *core.List: // kubectl sends its items one by one
		for _, item := range object.Items {
			raw, ok := item.(*runtime.Unknown)
			if !ok {
				return fmt.Errorf("an item of the List is a %T", item)
			}
			if err := m.add(raw.Raw); err != nil {
				return err
			}
		}
		return nil
	case *core.ConfigMap:
		kept := &corev1.ConfigMap{}
		m.ConfigMaps = append(m.ConfigMaps, kept)
		return m.create(configmap.Strategy, corev1.SchemeGroupVersion.WithResource("configmaps"), object, kept)
	case *batch.Job:
		if m.Job != nil {
			return errors.New("there is a second Job")
		}
		m.Job = &batchv1.Job{}
		return m.create(job.Strategy, batchv1.SchemeGroupVersion.WithResource("jobs"), object, m.Job)
	}
	return fmt.Errorf("a %v is neither a Job nor a ConfigMap", kind)
}

// create does what the server does before it keeps a new object, which kept becomes.
func (m *Manifest) create(strategy rest.RESTCreateStrategy, of schema.GroupVersionResource,
	object, kept runtime.Object) error {
	meta, ok := object.(metav1.Object)
	if !ok {
		return fmt.Errorf("%T has no metadata", object)
	}
	namespace := meta.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault // kubectl's context has one
		meta.SetNamespace(namespace)
	}
	rest.FillObjectMetaSystemFields(meta)
	ctx := request.WithNamespace(context.Background(), namespace)
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{IsResourceRequest: true, Verb: "create",
		Namespace: namespace, APIGroup: of.Group, APIVersion: of.Version, Resource: of.Resource})
	ctx = warning.WithWarningRecorder(ctx, (*recorder)(m))
	if err := rest.BeforeCreate(strategy, ctx, object); err != nil {
		return err
	}
	return legacyscheme.Scheme.Convert(object, kept, nil)
}

// Restricted returns what the newest version of the Pod Security Standard "restricted" has against the pods of the Job, or "".
func (m *Manifest) Restricted() string {
	var results []policy.CheckResult
	for _, check := range policy.DefaultChecks() { // those of "baseline" are a part of it
		newest := check.Versions[len(check.Versions)-1]
		results = append(results, newest.CheckPod(&m.Job.Spec.Template.ObjectMeta, &m.Job.Spec.Template.Spec))
	}
	result := policy.AggregateCheckResults(results)
	return result.ForbiddenDetail()
}

// recorder keeps the warnings of the server.
type recorder Manifest

func (r *recorder) AddWarning(_, text string) { r.Warnings = append(r.Warnings, text) }
