package runner

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// benchDirs makes the directories that the benchmarks run in, one after the other and again.
func benchDirs(b *testing.B) []string {
	dirs := make([]string, 100)
	root := b.TempDir()
	for i := range dirs {
		dirs[i] = filepath.Join(root, strconv.Itoa(i))
		if err := os.Mkdir(dirs[i], 0o755); err != nil {
			b.Fatal(err)
		}
	}
	return dirs
}

// BenchmarkRun and BenchmarkBareLoop are a pair: Run should reach 0.9 of the jobs/s of the bare loop.
func BenchmarkRun(b *testing.B) {
	for _, argv := range [][]string{{"true"}, {"echo", "x"}} {
		b.Run(argv[0], func(b *testing.B) {
			dirs := benchDirs(b)
			jobs := func(yield func(Job) bool) {
				for n := range b.N {
					dir := dirs[n%len(dirs)]
					if !yield(Job{Prepare: at(dir)}) {
						return
					}
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			o := Options{Argv: argv, Env: os.Environ(), Jobs: 2}
			err := Run(b.Context(), o, jobs, func(r Result) bool {
				if r.Err != nil {
					b.Error(r.Err)
				}
				return r.Err == nil
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkBareLoop is the obvious loop: two goroutines that start commands. It captures no output.
func BenchmarkBareLoop(b *testing.B) {
	for _, argv := range [][]string{{"true"}, {"echo", "x"}} {
		b.Run(argv[0], func(b *testing.B) {
			dirs := benchDirs(b)
			numbers := make(chan int)
			var group sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for range 2 {
				group.Go(func() {
					for n := range numbers {
						cmd := exec.Command(argv[0], argv[1:]...)
						cmd.Dir = dirs[n%len(dirs)]
						if err := cmd.Run(); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for n := range b.N {
				numbers <- n
			}
			close(numbers)
			group.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}
