package kubernetes

import (
	"fmt"
	"strings"
	"testing"
)

// one is a function that parses or checks one value, and returns what it has found as a text.
type one func(text string) (string, error)

func shown[T any](parse func(string) (T, error)) one {
	return func(text string) (string, error) {
		v, err := parse(text)
		return fmt.Sprint(v), err
	}
}

func ofCheck(check func(string) error) one {
	return func(text string) (string, error) { return text, check(text) }
}

func TestParse(t *testing.T) {
	digest := "GHCR.io/a@sha256:" + strings.Repeat("0", 64)
	for _, tt := range []struct {
		parse one
		text  string
		want  string
	}{
		{shown(ParseCPU), "1", "{1 1}"},
		{shown(ParseCPU), "500m", "{500m 0.5}"},
		{shown(ParseCPU), "2.5", "{2.5 2.5}"},
		{shown(ParseBytes), "16Mi", "{16Mi 1.6777216e+07}"},
		{shown(ParseBytes), "4G", "{4G 4e+09}"},
		{shown(ParseScratch), "1Gi", "{{1Gi 1.073741824e+09} false}"},
		{shown(ParseScratch), "1Gi:memory", "{{1Gi 1.073741824e+09} true}"},
		{shown(ParseDevices), "2", "{nvidia.com/gpu 2}"},
		{shown(ParseDevices), "amd.com/gpu=8", "{amd.com/gpu 8}"},
		{shown(ParseFUSE), "privileged", "{ true}"},
		{shown(ParseFUSE), "device:smarter-devices/fuse", "{smarter-devices/fuse false}"},
		{shown(ParseUser), "0", "{0 0 true}"},
		{shown(ParseUser), "1000:50", "{1000 50 true}"},
		{shown(ParseUser), "image", "{0 0 false}"},
		{shown(ParseVariable), "A=b=c", "{A b=c}"},
		{shown(ParseVariable), "_a.b-C9=", "{_a.b-C9 }"},
		{shown(ParseMount), "aws", "{aws  true}"},
		{shown(ParseMount), "a.b-c:/var/x", "{a.b-c /var/x true}"},
		{shown(ParseClaim), "data:/data", "{data /data false}"},
		{shown(ParseClaim), "data:/data:ro", "{data /data true}"},
		{shown(ParseSelector), "disk=ssd", "{disk ssd}"},
		{shown(ParseSelector), "kubernetes.io/arch=", "{kubernetes.io/arch }"},
		{shown(ParseToleration), "gpu", "{gpu   true}"},
		{shown(ParseToleration), "gpu=:NoExecute", "{gpu  NoExecute false}"},
		{shown(ParseToleration), "a.b/c=d:PreferNoSchedule", "{a.b/c d PreferNoSchedule false}"},
		{ofCheck(CheckImage), "debian", "debian"},
		{ofCheck(CheckImage), "localhost:5000/a/b__c-d.e:V1.0_x", "localhost:5000/a/b__c-d.e:V1.0_x"},
		{ofCheck(CheckImage), digest, digest},
		{ofCheck(CheckLabel), "a", "a"},
		{ofCheck(CheckLabel), strings.Repeat("a", 63), strings.Repeat("a", 63)},
		{ofCheck(CheckName), "a-1.b.c", "a-1.b.c"},
	} {
		if got, err := tt.parse(tt.text); err != nil || got != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.text, got, err, tt.want)
		}
	}
}

func TestParseMistakes(t *testing.T) {
	const labelRule = "a name has at most 63 of a-z, 0-9 and -, and begins and ends with a letter or digit"
	const imageRule = "not the name of an image, such as ghcr.io/me/tools:1.0"
	for _, tt := range []struct {
		parse one
		text  string
		want  string // the beginning
	}{
		{shown(ParseCPU), "", "not an amount such as 4, 0.5 or 500m"},
		{shown(ParseCPU), "-1", "not an amount"},
		{shown(ParseCPU), "0", "less than a thousandth of a CPU"},
		{shown(ParseCPU), "1.", "not an amount"},
		{shown(ParseCPU), "1e3", "not an amount"},
		{shown(ParseCPU), "4Gi", "more than 100000 CPUs"},
		{shown(ParseBytes), "2", "2 bytes: at least 16Mi"},
		{shown(ParseBytes), "4000m", "4 bytes: at least 16Mi"},
		{shown(ParseBytes), "2GB", "GB is no suffix of amounts, such as 500Mi or 2Gi"},
		{shown(ParseBytes), "2g", "g is no suffix"},
		{shown(ParseBytes), "2 Gi", "not an amount"},
		{shown(ParseBytes), "999999Pi", "too much"},
		{shown(ParseScratch), "1Gi:", "after the colon there can only be memory"},
		{shown(ParseScratch), "1Gi:disk", "after the colon"},
		{shown(ParseScratch), ":memory", "not an amount"},
		{shown(ParseDevices), "0", "not a number of devices, at least 1"},
		{shown(ParseDevices), "01", "not a number"},
		{shown(ParseDevices), "0.5", "not a number"},
		{shown(ParseDevices), "gpu=1", `"gpu" is no resource of a device plugin, such as example.com/fuse`},
		{shown(ParseDevices), "kubernetes.io/gpu=1", `"kubernetes.io/gpu" is no resource`},
		{shown(ParseDevices), "x.kubernetes.io/gpu=1", `"x.kubernetes.io/gpu" is no resource`},
		{shown(ParseDevices), "requests.a.b/gpu=1", `"requests.a.b/gpu" is no resource`},
		{shown(ParseDevices), "=1", `"" is no resource`},
		{shown(ParseFUSE), "yes", "device:RESOURCE or privileged"},
		{shown(ParseFUSE), "device:", `"" is no resource`},
		{shown(ParseFUSE), "device:/dev/fuse", `"/dev/fuse" is no resource`},
		{shown(ParseUser), "root", "UID or UID:GID"},
		{shown(ParseUser), "1:", "UID or UID:GID"},
		{shown(ParseUser), "-1", "UID or UID:GID"},
		{shown(ParseUser), "2147483648", "UID or UID:GID"},
		{shown(ParseVariable), "A", "not NAME=VALUE"},
		{shown(ParseVariable), "=1", `"" is no name of a variable`},
		{shown(ParseVariable), "1A=1", `"1A" is no name of a variable`},
		{shown(ParseVariable), "A B=1", `"A B" is no name of a variable`},
		{shown(ParseVariable), "..=1", `".." is no name of a variable`},
		{shown(ParseVariable), "..a=1", `"..a" is no name of a variable`},
		{shown(ParseVariable), ".=1", `"." is no name of a variable`},
		{shown(ParseVariable), "JOB_COMPLETION_INDEX=3", "set by Kubernetes: with a value of your own"},
		{shown(ParseVariable), "A=\x00", "a value has no NUL"},
		{shown(ParseMount), "A:/x", `"A": a name has at most 253`},
		{shown(ParseMount), ":/x", `"": a name has at most 253`},
		{shown(ParseMount), "a:", `"": the path of a mount begins with a slash`},
		{shown(ParseMount), "a:x", `"x": the path of a mount begins with a slash`},
		{shown(ParseMount), "a:/", `"/": the path of a mount has no empty parts`},
		{shown(ParseMount), "a:/x/", `"/x/": the path of a mount has no empty parts`},
		{shown(ParseMount), "a:/x/../y", `"/x/../y": the path of a mount has no empty parts`},
		{shown(ParseMount), "a:/x:ro", `"/x:ro": the path of a mount has no colon`},
		{shown(ParseClaim), "a", "where is it mounted? NAME:/PATH"},
		{shown(ParseClaim), "a:ro", "where is it mounted? NAME:/PATH"},
		{shown(ParseClaim), "a:/x:rw", `"/x:rw": the path of a mount has no colon`},
		{shown(ParseSelector), "disk", "not KEY=VALUE"},
		{shown(ParseSelector), "=ssd", `"" is no key of a label`},
		{shown(ParseSelector), "/a=ssd", `"/a" is no key of a label`},
		{shown(ParseSelector), "a/b/c=ssd", `"a/b/c" is no key of a label`},
		{shown(ParseSelector), "a=b c", `"b c" is no value of a label: at most 63`},
		{shown(ParseSelector), "a=" + strings.Repeat("b", 64), `"bbb`},
		{shown(ParseToleration), "", `"" is no key of a label`},
		{shown(ParseToleration), "a:Never", `"Never" is no effect of a taint: NoSchedule, PreferNoSchedule, NoExecute`},
		{shown(ParseToleration), "a:", `"" is no effect`},
		{ofCheck(CheckImage), "", imageRule},
		{ofCheck(CheckImage), "Debian", imageRule},
		{ofCheck(CheckImage), "debian:", imageRule},
		{ofCheck(CheckImage), "debian:a b", imageRule},
		{ofCheck(CheckImage), "debian\nx", imageRule},
		{ofCheck(CheckImage), "https://ghcr.io/me/tools", imageRule},
		{ofCheck(CheckLabel), "", labelRule},
		{ofCheck(CheckLabel), "a.b", labelRule},
		{ofCheck(CheckLabel), "A", labelRule},
		{ofCheck(CheckLabel), "a-", labelRule},
		{ofCheck(CheckLabel), "a\n", labelRule},
		{ofCheck(CheckLabel), strings.Repeat("a", 64), labelRule},
		{ofCheck(CheckName), "a..b", `"a..b": a name has at most 253`},
	} {
		if got, err := tt.parse(tt.text); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: %s, %v, want %s", tt.text, got, err, tt.want)
		}
	}
}
