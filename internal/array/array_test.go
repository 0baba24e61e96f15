package array

import (
	"slices"
	"testing"
)

func TestArgv(t *testing.T) {
	for _, tt := range []struct {
		a      Array
		want   []string
		starts int
	}{
		{
			Array{Flags: []string{"--output=o", "--command=x"}, Shards: []string{"{0..9}.tar"}, Count: 10, Tasks: 10},
			[]string{"shardfs", "run", "--task=auto", "--stride=10", "--output=o", "--command=x", "{0..9}.tar"},
			10,
		},
		{
			Array{Command: []string{"./convert", "--", "x"}, List: []byte("a.tar\nb.tar\n"), Count: 2, Tasks: 1},
			[]string{"shardfs", "run", "--task=auto", "--stride=1", "@/list", "--", "./convert", "--", "x"},
			1,
		},
		{
			Array{
				Command: []string{"ls"}, Shards: []string{"a", "b"}, Count: 99, Tasks: 50,
				Only: []int{3, 17, 40, 41, 42},
			},
			[]string{"shardfs", "run", "--task=3,17,40-42", "--stride=50", "a", "b", "--", "ls"},
			5,
		},
	} {
		if got := tt.a.Argv("shardfs", "/list"); !slices.Equal(got, tt.want) {
			t.Errorf("Argv of %+v: %q, want %q", tt.a, got, tt.want)
		}
		if got := tt.a.Starts(); got != tt.starts {
			t.Errorf("Starts of %+v: %d, want %d", tt.a, got, tt.starts)
		}
	}
}

func TestTasks(t *testing.T) {
	for _, tt := range []struct{ shards, each, most, want int }{
		{148, 0, 1000, 148},
		{148, 1, 148, 148},
		{148, 10, 1000, 15},
		{148, 148, 1000, 1},
		{148, 500, 1000, 1},
		{100_000, 0, 100_000, 100_000},
		{100_001, 0, 100_000, 50_001},
		{262_144, 0, 100_000, 87_382},
		{1001, 2, 1000, 501},
		{1001, 1, 1000, 0},
		{2001, 2, 1000, 0},
	} {
		got, err := Tasks(tt.shards, tt.each, tt.most)
		if got != tt.want || (err == nil) != (tt.want > 0) {
			t.Errorf("Tasks(%d, %d, %d) = %d, %v, want %d", tt.shards, tt.each, tt.most, got, err, tt.want)
		}
		if err == nil && tt.each > 0 && divide(tt.shards, got) > tt.each {
			t.Errorf("Tasks(%d, %d, %d) = %d: a task has more shards", tt.shards, tt.each, tt.most, got)
		}
	}
}

func TestTasksOf(t *testing.T) {
	if got, want := TasksOf([]int{0, 7, 10, 13, 99}, 10), []int{0, 3, 7, 9}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
