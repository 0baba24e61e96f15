package kubernetes

import (
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Quantity is an amount as Kubernetes writes it.
type Quantity struct {
	Text  string // as the user gave it
	Value float64
}

// suffixes are those of quantities, and what they multiply by.
var suffixes = map[string]float64{
	"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50,
}

func parseQuantity(text, example string) (Quantity, error) {
	m := regexp.MustCompile(`^([0-9]{1,15}(?:\.[0-9]{1,9})?)([a-zA-Z]*)$`).FindStringSubmatch(text)
	if m == nil {
		return Quantity{}, fmt.Errorf("not an amount such as %s", example)
	}
	by, ok := suffixes[m[2]]
	if !ok {
		return Quantity{}, fmt.Errorf("%s is no suffix of amounts, such as %s", m[2], example)
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	return Quantity{text, n * by}, nil
}

// ParseCPU parses a number of CPUs, such as 4 or 500m.
func ParseCPU(text string) (Quantity, error) {
	q, err := parseQuantity(text, "4, 0.5 or 500m")
	switch {
	case err != nil:
	case q.Value < 0.001:
		err = errors.New("less than a thousandth of a CPU")
	case q.Value > 1e5:
		err = errors.New("more than 100000 CPUs")
	}
	return q, err
}

// Whole returns the quantity as a whole number, rounded up.
func (q Quantity) Whole() int { return int(math.Ceil(q.Value)) }

// ParseBytes parses a size, such as 500Mi or 2Gi.
func ParseBytes(text string) (Quantity, error) {
	q, err := parseQuantity(text, "500Mi or 2Gi")
	switch {
	case err != nil:
	case q.Value < 16<<20:
		err = fmt.Errorf("%.0f bytes: at least 16Mi", q.Value)
	case q.Value > 1<<60:
		err = errors.New("too much")
	}
	return q, err
}

// ParseScratch parses a size, which may end in :memory.
func ParseScratch(text string) (s Scratch, err error) {
	size, in, some := strings.Cut(text, ":")
	if s.InMemory = some; some && in != "memory" {
		return s, errors.New("after the colon there can only be memory")
	}
	s.Size, err = ParseBytes(size)
	return s, err
}

// ParseDevices parses a number of GPUs, or RESOURCE=NUMBER.
func ParseDevices(text string) (Amount, error) {
	resource, number, ok := strings.Cut(text, "=")
	if !ok {
		resource, number = "nvidia.com/gpu", text
	} else if err := checkResource(resource); err != nil {
		return Amount{}, err
	}
	if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 || number[0] == '0' {
		return Amount{}, errors.New("not a number of devices, at least 1")
	}
	return Amount{resource, number}, nil
}

// ParseFUSE parses device:RESOURCE or privileged.
func ParseFUSE(text string) (FUSE, error) {
	if text == "privileged" {
		return FUSE{Privileged: true}, nil
	}
	resource, ok := strings.CutPrefix(text, "device:")
	if !ok {
		return FUSE{}, errors.New("device:RESOURCE or privileged")
	}
	return FUSE{Resource: resource}, checkResource(resource)
}

// ParseUser parses UID, UID:GID, or image.
func ParseUser(text string) (User, error) {
	if text == "image" {
		return User{}, nil
	}
	uid, gid, ok := strings.Cut(text, ":")
	if !ok {
		gid = uid
	}
	u, err1 := strconv.ParseUint(uid, 10, 31)
	g, err2 := strconv.ParseUint(gid, 10, 31)
	if err1 != nil || err2 != nil {
		return User{}, errors.New("UID or UID:GID, which are numbers, or image")
	}
	return User{int(u), int(g), true}, nil
}

// ParseVariable parses NAME=VALUE of an environment. Names are those that every version of Kubernetes takes.
func ParseVariable(text string) (v Variable, err error) {
	var ok bool
	if v.Name, v.Value, ok = strings.Cut(text, "="); !ok {
		return v, errors.New("not NAME=VALUE")
	}
	switch {
	case !regexp.MustCompile(`^[-._a-zA-Z][-._a-zA-Z0-9]*$`).MatchString(v.Name), v.Name == ".",
		strings.HasPrefix(v.Name, ".."):
		return v, fmt.Errorf("%.60q is no name of a variable", v.Name)
	case v.Name == "JOB_COMPLETION_INDEX":
		return v, errors.New("set by Kubernetes: with a value of your own, all pods would do the same task")
	case strings.ContainsRune(v.Value, 0):
		return v, errors.New("a value has no NUL")
	}
	return v, nil
}

// ParseMount parses NAME or NAME:/PATH.
func ParseMount(text string) (m Mount, err error) {
	name, dir, mounted := strings.Cut(text, ":")
	m = Mount{Name: name, Path: dir, ReadOnly: true}
	if err = CheckName(name); err == nil && mounted {
		err = checkPath(dir)
	}
	return m, err
}

// ParseClaim parses NAME:/PATH or NAME:/PATH:ro of a persistent volume claim.
func ParseClaim(text string) (Mount, error) {
	text, readOnly := strings.CutSuffix(text, ":ro")
	m, err := ParseMount(text)
	if m.ReadOnly = readOnly; err == nil && m.Path == "" {
		err = errors.New("where is it mounted? NAME:/PATH")
	}
	return m, err
}

// checkPath returns an error for a path where no volume can be mounted.
func checkPath(dir string) error {
	switch {
	case !path.IsAbs(dir):
		return fmt.Errorf("%.60q: the path of a mount begins with a slash", dir)
	case dir == "/" || path.Clean(dir) != dir:
		return fmt.Errorf("%.60q: the path of a mount has no empty parts, . or .., and does not end with a slash", dir)
	case strings.ContainsAny(dir, ":\x00"):
		return fmt.Errorf("%.60q: the path of a mount has no colon", dir)
	}
	return nil
}

// ParseSelector parses KEY=VALUE of a node's label.
func ParseSelector(text string) (Variable, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok {
		return Variable{}, errors.New("not KEY=VALUE")
	}
	return Variable{key, value}, errors.Join(checkKey(key), checkLabel(value))
}

// effects are those of taints.
var effects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}

// ParseToleration parses KEY, KEY=VALUE, KEY:EFFECT or KEY=VALUE:EFFECT of a taint, as kubectl taint has it.
func ParseToleration(text string) (t Toleration, err error) {
	taint, effect, some := strings.Cut(text, ":")
	if some && !slices.Contains(effects, effect) {
		return t, fmt.Errorf("%.60q is no effect of a taint: %s", effect, strings.Join(effects, ", "))
	}
	key, value, equal := strings.Cut(taint, "=")
	t = Toleration{Key: key, Value: value, Effect: effect, Exists: !equal}
	return t, errors.Join(checkKey(key), checkLabel(value))
}

// image is a regular expression for the names of images.
const image = `^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?` + // a registry
	part + `(?:/` + part + `)*` +
	`(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,128})?$`

const part = `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`

// CheckImage returns an error for a text that is no name of an image.
func CheckImage(name string) error {
	if !regexp.MustCompile(image).MatchString(name) || len(name) > 512 {
		return errors.New("not the name of an image, such as ghcr.io/me/tools:1.0")
	}
	return nil
}

const label = `[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?`

// CheckLabel returns an error for a text that is no name of a Job or namespace.
func CheckLabel(name string) error {
	if !regexp.MustCompile(`^` + label + `$`).MatchString(name) {
		return errors.New("a name has at most 63 of a-z, 0-9 and -, and begins and ends with a letter or digit")
	}
	return nil
}

// CheckName returns an error for a text that is no name of another object.
func CheckName(name string) error {
	parts := `^` + label + `(?:\.` + label + `)*$`
	if !regexp.MustCompile(parts).MatchString(name) || len(name) > 253 {
		const rule = "a name has at most 253 of a-z, 0-9, - and ., and begins and ends with a letter or digit"
		return fmt.Errorf("%.60q: %s", name, rule)
	}
	return nil
}

const word = `[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?`

// checkLabel returns an error for a text that is no value of a label.
func checkLabel(value string) error {
	if value != "" && !regexp.MustCompile(`^`+word+`$`).MatchString(value) {
		const rule = "at most 63 letters, digits, -, _ and ., of which the first and last are letters or digits"
		return fmt.Errorf("%.60q is no value of a label: %s", value, rule)
	}
	return nil
}

// checkKey returns an error for a text that is no key of a label.
func checkKey(key string) error {
	domain, name, ok := strings.Cut(key, "/")
	if !ok {
		domain, name = "", key
	}
	if ok && CheckName(domain) != nil || !regexp.MustCompile(`^`+word+`$`).MatchString(name) {
		return fmt.Errorf("%.60q is no key of a label, such as example.com/name", key)
	}
	return nil
}

// checkResource returns an error for a text that is no name of a resource of a device plugin.
func checkResource(name string) error {
	domain, _, ok := strings.Cut(name, "/")
	if !ok || checkKey(name) != nil || strings.HasSuffix("."+domain, ".kubernetes.io") ||
		strings.HasPrefix(domain, "requests.") || len(domain) > 200 {
		return fmt.Errorf("%.60q is no resource of a device plugin, such as example.com/fuse", name)
	}
	return nil
}
