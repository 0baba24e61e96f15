package kubernetes

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/array"
	"github.com/shardfs/shardfs/internal/testing/shardtest"
)

// job returns a Job with what every Job has.
func job(change func(j *Job)) Job {
	cpu, _ := ParseCPU("1")
	memory, _ := ParseBytes("2Gi")
	j := Job{
		Array: &array.Array{Command: []string{"true"}, Shards: []string{"s3://b/{0..147}.tar"}, Count: 148, Tasks: 148},
		Image: "me/tools:1", CPU: cpu, Memory: memory, Scratch: Scratch{Size: memory}, Parallelism: 16,
		MaxFailedIndexes: -1,
	}
	if change != nil {
		change(&j)
	}
	return j
}

func TestName(t *testing.T) {
	name := func(change func(j *Job)) string {
		t.Helper()
		m, err := New(job(change), Statuses{FailJob: []int{64}})
		shardtest.Check(t, err)
		return m.Name
	}
	first := name(nil)
	if first != name(nil) || first != name(func(j *Job) { j.Version = "2" }) {
		t.Errorf("the same Job has two names")
	}
	if !strings.HasPrefix(first, "shardfs-") || CheckLabel(first) != nil {
		t.Errorf("the name is %s", first)
	}
	if first == name(func(j *Job) { j.Image = "me/tools:2" }) {
		t.Errorf("another Job has the same name")
	}
}

// What Kubernetes makes of a text is the text itself.
func TestLiteral(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"$HOME ${HOME} $ $", "$HOME ${HOME} $ $"},
		{"$(ls)", "$$(ls)"},
		{"$$", "$$$"},
		{"$$(ls) $$$", "$$$$(ls) $$$$$"},
	} {
		if got := literal(tt.text); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.text, got, tt.want)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		text := ""
		for range r.IntN(10) {
			text += string("$$$()AB "[r.IntN(8)])
		}
		if got := expanded(literal(text), map[string]string{"A": "wrong", "B": "", "": "wrong"}); got != text {
			t.Fatalf("%q becomes %q", text, got)
		}
	}
}

// expanded returns what Kubernetes documents to make of a text in a command or value: $(NAME) is replaced by the value of a
// variable that there is, and $$ by $.
func expanded(text string, variables map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		rest := text[i+1:]
		name, _, closed := strings.Cut(strings.TrimPrefix(rest, "("), ")")
		switch value, known := variables[name]; {
		case text[i] == '$' && strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			i++
		case text[i] == '$' && strings.HasPrefix(rest, "(") && closed && known:
			b.WriteString(value)
			i += len(name) + 2
		case text[i] == '$' && strings.HasPrefix(rest, "(") && closed:
			b.WriteString("$(" + name + ")")
			i += len(name) + 2
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

// Parts of a Job that do not fit together are refused.
func TestCheck(t *testing.T) {
	gib, _ := ParseBytes("1Gi")
	long := strings.Repeat("x", maxArg)
	for _, tt := range []struct {
		change func(j *Job)
		want   string // "": it is accepted
	}{
		{func(j *Job) { j.Name = strings.Repeat("n", 59) }, ""},
		{func(j *Job) { j.Name = strings.Repeat("n", 60) },
			"--name " + strings.Repeat("n", 60) + ": 60 characters, at most 59: pods are named NAME-147"},
		{func(j *Job) { j.Name, j.Array.Count, j.Array.Tasks = strings.Repeat("n", 57), 100_000, 100_000 }, ""},
		{func(j *Job) { j.Name, j.Array.Count, j.Array.Tasks = strings.Repeat("n", 58), 100_000, 100_000 },
			"--name " + strings.Repeat("n", 58) + ": 58 characters, at most 57: pods are named NAME-99999"},
		{func(j *Job) { j.Array.Count, j.Array.Tasks = 100_001, 100_001 }, "100001 tasks: at most 100000"},
		{func(j *Job) { j.Retries = -1 }, "--retries -1: from 0 to 2147483647"},
		{func(j *Job) { j.Retries = 1 << 31 }, "--retries 2147483648: from 0 to 2147483647"},
		{func(j *Job) { j.MaxFailedIndexes = 148 }, ""},
		{func(j *Job) { j.MaxFailedIndexes = 149 }, "--max-failed-indexes 149: there are 148 tasks"},
		{func(j *Job) { j.Deadline = -1 }, "--deadline and --ttl: from 0 to 2147483647 seconds"},
		{func(j *Job) { j.TTL = (1 << 31) * time.Second }, "--deadline and --ttl: from 0 to 2147483647 seconds"},
		{func(j *Job) { j.Scratch.InMemory = true }, ""},
		{func(j *Job) { j.Scratch.InMemory, j.Memory = true, gib },
			"--scratch-size 2Gi:memory: more than --memory 1Gi, of which it is a part"},
		{func(j *Job) { j.FUSE.Privileged, j.User = true, User{1, 1, true} },
			"--fuse: only root can mount, which is --user 0"},
		{func(j *Job) { j.FUSE.Privileged = true }, "--fuse: only root can mount, which is --user 0"},
		{func(j *Job) { j.FUSE.Privileged, j.User = true, User{Given: true} }, ""},
		{func(j *Job) { j.Env = []Variable{{"A", "1"}, {"A", "2"}} }, "--env A: given twice"},
		{func(j *Job) { j.NodeSelector = []Variable{{"a", "1"}, {"a", "1"}} }, "--node-selector a: given twice"},
		{func(j *Job) { j.Devices = []Amount{{"a.b/c", "1"}, {"a.b/c", "2"}} }, "--gpu a.b/c: given twice"},
		{func(j *Job) {
			j.FUSE.Resource, j.User, j.Devices = "a.b/c", User{Given: true}, []Amount{{"a.b/c", "1"}}
		}, "--gpu a.b/c: given twice"},
		{func(j *Job) { j.Claims = []Mount{{"a", "/d", false}, {"b", "/d/e", false}, {"b", "/tmp/x", false}} }, ""},
		{func(j *Job) { j.Claims = []Mount{{"a", "/d", false}, {"b", "/d", false}} },
			"/d: another volume is mounted at /d"},
		{func(j *Job) { j.Claims = []Mount{{"a", "/tmp", false}} }, "/tmp: another volume is mounted at /tmp"},
		{func(j *Job) { j.Claims = []Mount{{"a", "/d/e", false}, {"b", "/d", true}} },
			"/d: another volume is mounted at /d/e"},
		{func(j *Job) { j.Array.List, j.Secrets = []byte("x\n"), []Mount{{"a", "/etc/shardfs/x", true}} },
			"/etc/shardfs/x: another volume is mounted at /etc/shardfs"},
		{func(j *Job) { j.Array.List, j.Secrets = []byte("x\n"), []Mount{{"a", "/etc", true}} },
			"/etc: another volume is mounted at /etc/shardfs"},
		{func(j *Job) { j.Array.Command = []string{"a\xff"} },
			`"a\xff": not UTF-8, and a manifest can have nothing else`},
		{func(j *Job) { j.Env = []Variable{{"A", "\xff"}} },
			`"A=\xff": not UTF-8, and a manifest can have nothing else`},
		{func(j *Job) { j.Array.List = []byte("\xff\n") },
			`"\xff\n": not UTF-8, and a manifest can have nothing else`},
		{func(j *Job) { j.Array.Command = []string{long} }, ""},
		{func(j *Job) { j.Array.Command = []string{long + "x"} },
			long[:40] + ": 131072 bytes, at most 131071: no program starts with more"},
		{func(j *Job) { j.Env = []Variable{{"AB", long[3:]}} }, ""},
		{func(j *Job) { j.Env = []Variable{{"AB", long}} },
			"AB: 131074 bytes, at most 131071: no program starts with more"},
		{func(j *Job) { j.Array.Command = []string{long, long, long, long} },
			"the arguments take 524348 bytes, at most 524288"},
	} {
		_, err := New(job(tt.change), Statuses{})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%.200s\nwant %.200s", got, tt.want)
		}
	}
}

// Kubectl keeps a copy of what it applies in an annotation, which has a limit.
func TestTooLargeToApply(t *testing.T) {
	for size, want := range map[int]bool{200 << 10: false, 263_000: true, MaxList: true} {
		m, err := New(job(func(j *Job) { j.Array.List = []byte(strings.Repeat("x", size-1) + "\n") }), Statuses{})
		shardtest.Check(t, err)
		if got := m.TooLargeToApply(); got != want {
			t.Errorf("a list of %d bytes: %t", size, got)
		}
	}
}

// A manifest with the longest list takes a small multiple of its memory.
func TestMemory(t *testing.T) {
	names := []byte(strings.Repeat("s3://bucket/name-of-a-shard.tar\n", MaxList/32))
	j := job(func(j *Job) { j.Array.List = names })
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := New(j, Statuses{})
	shardtest.Check(t, err)
	text := m.YAML()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
		t.Errorf("%d bytes are allocated for a manifest of %d", n, len(text))
	}
}
