package slurm

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shardfs/shardfs/internal/array"
	"github.com/shardfs/shardfs/internal/testing/skip"
	"github.com/shardfs/shardfs/internal/ui"
)

var update = flag.Bool("update", false, "write the scripts of testdata")

// newJob returns a job over 148 shards, in which change may change something.
func newJob(change func(j *Job)) *Job {
	j := &Job{
		Array: &array.Array{
			Flags: []string{"--output=new-{name}.tar", "--jobs=1"}, Command: []string{"./convert"},
			Shards: []string{"train-{0000..0147}.tgz"}, Count: 148, Tasks: 148,
		},
		Program: "shardfs", Name: "convert", Log: "convert-%A_%a.log", Parallelism: 16, Retries: 3,
		Time: "4:00:00", Grace: time.Minute, CPUs: 1, Memory: "2G",
		Statuses: Statuses{Usage: 64, Temporary: 75, Again: []int{69, 74, 75}},
	}
	if change != nil {
		change(j)
	}
	return j
}

var scripts = map[string]func(j *Job){
	"plain": nil,
	"command": func(j *Job) {
		j.Array.Flags = append(j.Array.Flags, "--command=cd \"$PWD\"\necho 'it'\\''s'\n#SBATCH --array=0-9\n")
		j.Array.Command = nil
	},
	"env": func(j *Job) { j.Env = []string{"A=", "B=it's $HOME\n#SBATCH --array=0-9", "C=1=2", "UID=7", "task=x"} },
	"gpu": func(j *Job) { j.GPUs, j.CPUs, j.Memory, j.Partition = 2, 8, "64G", "a100,h100" },
	"list": func(j *Job) {
		j.Array.List = []byte("END\na b'$(touch x).tar\nEND-\n#SBATCH --array=0-9\n#PBS -J 0-9\n#BSUB -J x[1-9]\n")
		j.Array.Shards, j.Array.Count, j.Array.Tasks = nil, 6, 6
	},
	"log": func(j *Job) { j.Log = `/logs/it's "my" #1/%x-%4a.log` },
	"names": func(j *Job) {
		j.Array.Shards = []string{"it's a.tar", "$(touch x).tar", "`touch x`.tar", "a\nb.tar",
			"~.tar", "a=b.tar", "!x", "*.tar"}
		j.Array.Count, j.Array.Tasks = 8, 8
	},
	"only":    func(j *Job) { j.Array.Only = []int{3, 17, 40, 41, 42, 43, 44} },
	"retries": func(j *Job) { j.Retries = 0 },
	"s3": func(j *Job) {
		j.Array.Flags[0] = "--output=s3://bucket/new/{name}.tar"
		j.Array.Shards = []string{"s3://bucket/train-{0000..0147}.tgz"}
	},
	"short":  func(j *Job) { j.Time, j.Grace = "10", 90*time.Second },
	"stride": func(j *Job) { j.Array.Count, j.Array.Tasks, j.Array.Only = 100_000, 1000, []int{0, 999} },
	"one":    func(j *Job) { j.Array.Count, j.Array.Tasks, j.Parallelism = 1, 1, 1 },
}

// literal are shellcheck's remarks on texts in single quotes, which are here what the user gives, and meant literally.
const literal = "SC1003,SC2016"

// The scripts are those of testdata, and bash and shellcheck have nothing against them. Nothing that a user gives can be a
// command or an option.
func TestScripts(t *testing.T) {
	shellcheck, missing := exec.LookPath("shellcheck")
	for name, change := range scripts {
		t.Run(name, func(t *testing.T) {
			j := newJob(change)
			if err := j.Check(); err != nil {
				t.Fatal(err)
			}
			got, file := j.Script(), filepath.Join("testdata", name+".sh")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is another one (-update writes it), %v:\n%s", file, err, got)
			}
			if said, err := exec.Command("bash", "-n", file).CombinedOutput(); err != nil || len(said) > 0 {
				t.Errorf("bash: %v: %s", err, said)
			}
			if missing != nil {
				skip.Part(t, "shellcheck: %v", missing)
			} else if said, err := exec.Command(shellcheck, "--exclude="+literal, file).CombinedOutput(); err != nil {
				t.Errorf("%s", said)
			}
		})
	}
}

// What sbatch would refuse, or take for something else, is a usage error that names the flag.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		change func(j *Job)
		want   string
	}{
		{func(j *Job) { j.Name = "" }, `--name "": at most 63 letters, digits and _.+-`},
		{func(j *Job) { j.Name = "-x" }, "--name"},
		{func(j *Job) { j.Name = "a\n#SBATCH --uid=0" }, "--name"},
		{func(j *Job) { j.Name = strings.Repeat("x", 64) }, "--name"},
		{func(j *Job) { j.Partition = "a b" }, `--partition "a b": names, with a comma between`},
		{func(j *Job) { j.Memory = "2Gi" }, `--memory "2Gi": a number and K, M, G or T`},
		{func(j *Job) { j.Memory = "0" }, "--memory"},
		{func(j *Job) { j.Time = "4h" }, `--time "4h": not a time limit of Slurm`},
		{func(j *Job) { j.Time = "" }, "--time"},
		{func(j *Job) { j.Time = "1:2:3:4" }, "--time"},
		{
			func(j *Job) { j.Time = "2" },
			"--time 2: too short for --grace 1m0s: a task would be told to end when it begins",
		},
		{func(j *Job) { j.Grace = 0 }, "--grace 0s: from 1s to 18h12m15s, in seconds"},
		{func(j *Job) { j.Grace = 1500 * time.Millisecond }, "--grace"},
		{func(j *Job) { j.Grace = 20 * time.Hour }, "--grace"},
		{func(j *Job) { j.Log = "log" }, `--log "log": all tasks would write it`},
		{func(j *Job) { j.Log = "%A.log" }, "--log"},
		{func(j *Job) { j.Log = "%a\n.log" }, `--log "%a\n.log": Slurm takes no such name`},
		{func(j *Job) { j.Log = `\%a.log` }, "--log"},
		{func(j *Job) { j.GPUs = -1 }, "--gpu and --retries: at least 0"},
		{func(j *Job) { j.Retries = -1 }, "--gpu and --retries: at least 0"},
		{func(j *Job) { j.Env = []string{"A"} }, `--env "A": not NAME=VALUE`},
		{func(j *Job) { j.Env = []string{"A B=1"} }, "--env"},
		{func(j *Job) { j.Env = []string{"A;B=1"} }, "--env"},
		{func(j *Job) { j.Env = []string{"SLURM_ARRAY_TASK_ID=5"} }, "--env SLURM_ARRAY_TASK_ID: Slurm sets it"},
		{
			func(j *Job) { j.Array.List = bytes.Repeat([]byte("name.tar\n"), MaxScript/9+1) },
			"the script would have",
		},
	} {
		j := newJob(tt.change)
		err := j.Check()
		usage := (*ui.UsageError)(nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || !errors.As(err, &usage) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func TestLimit(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30": 30 * time.Minute, "30:15": 30*time.Minute + 15*time.Second, "4:00:00": 4 * time.Hour, "0": 0,
		"2-0": 48 * time.Hour, "1-2:3": 26*time.Hour + 3*time.Minute,
		"1-2:3:4":   26*time.Hour + 3*time.Minute + 4*time.Second,
		"UNLIMITED": 0,
	} {
		if got, ok := Limit(text); got != want || !ok {
			t.Errorf("Limit(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "1-", "-1", "1:", "x", "1-2:3:4:5", " 1", "1\n", "99999-0"} {
		if got, ok := Limit(text); ok {
			t.Errorf("Limit(%q) = %v", text, got)
		}
	}
}

// A list of ranges has all numbers, and more only if it would be too long.
func TestRanges(t *testing.T) {
	for _, tt := range []struct {
		numbers []int
		most    int
		want    string
	}{
		{[]int{7}, 100, "7"},
		{[]int{3, 17, 40, 41, 42}, 100, "3,17,40-42"},
		{[]int{0, 1, 3, 4, 9}, 7, "0-4,9"},
		{[]int{0, 2, 4, 6, 100}, 7, "0-6,100"},
		{[]int{0, 50, 100}, 5, "0-100"},
	} {
		if got := ranges(tt.numbers, tt.most); got != tt.want {
			t.Errorf("ranges(%v, %d) = %s, want %s", tt.numbers, tt.most, got, tt.want)
		}
	}
}
