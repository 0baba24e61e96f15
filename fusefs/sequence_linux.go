package fusefs

import (
	"path"
	"slices"
	"sync"

	"github.com/shardfs/shardfs/internal/prefetch"
	"github.com/shardfs/shardfs/internal/view"
)

// A Prefetcher, such as a [prefetch.Process], uses files of a mount shortly before its users do, so that the kernel already
// has what they will ask for. Its methods are called while the kernel waits for a reply, and do not block.
type Prefetcher interface {
	// Prefetch looks up and reads files. It returns false if it is busy and has done nothing.
	Prefetch(files []prefetch.File) bool

	// Is reports whether requests with this number of a process are its own.
	Is(pid uint32) bool
}

const (
	// startRun is how many samples must be read in order before others are read ahead.
	startRun = 32
	// nearby is how far from the last sample another may be that is read in order.
	nearby = 4
	// readers is how many processes are remembered.
	readers = 8
	// aheadSamples and aheadBytes limit what is read ahead at a time. It can be twice that much.
	aheadSamples = 16
	aheadBytes   = 4 << 20
	// aheadNames is how many files of a sample are read ahead.
	aheadNames = 8
)

// sequence notices that files of the samples of a shard are read in order, and has those of the next samples read ahead,
// a window at a time. The kernel then does not ask for these, so of the first sample of each window the files are only
// looked up: when they are read, it is time for the next window.
//
// Nothing is read ahead while several processes take turns, which use all processors without that. Of processes that
// follow each other, as in a loop of a shell, none comes again.
type sequence struct {
	view *view.View
	to   Prefetcher

	mu    sync.Mutex // guards the fields below
	last  int        // the greatest number of a sample read in order
	run   int        // how many samples were read in order
	names []lastRead // files of samples that are read, the last one first
	next  int        // the number of the sample that begins the last window
	end   int        // the number of the sample after the last window; 0: there is none

	pids [readers]uint32 // the processes, or threads, that have read last, in a ring
	pid  int             // place of the last one
}

// lastRead is the name of a file of samples, and the last sample where it was read.
type lastRead struct {
	name   string
	sample int
}

// read must be called when a process, or thread, with a number has read the beginning of a file.
func (s *sequence) read(ino view.Ino, pid uint32) {
	sample, name, ok := s.view.Member(ino)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	far := nearby
	if s.end > s.last {
		far += s.end - s.last // those that were read ahead are not noticed
	}
	switch d := sample - s.last; {
	case s.again(pid), d > far, d < -max(far, 2*aheadSamples):
		s.names, s.run, s.next, s.end, s.last = s.names[:0], 0, 0, 0, sample
	case d > 0:
		s.run++
		s.last = sample
	}
	s.note(name, sample)
	if s.run >= startRun && sample >= s.next {
		s.ask(sample)
	}
}

// again reports whether a process reads again after another one has.
func (s *sequence) again(pid uint32) bool {
	if pid == s.pids[s.pid] {
		return false
	}
	again := slices.Contains(s.pids[:], pid)
	s.pid = (s.pid + 1) % readers
	s.pids[s.pid] = pid
	return again
}

// note notes that a file was read.
func (s *sequence) note(name string, sample int) {
	i := slices.IndexFunc(s.names, func(r lastRead) bool { return r.name == name })
	switch {
	case i >= 0:
		s.names = slices.Delete(s.names, i, i+1)
	case len(s.names) == aheadNames:
		s.names = s.names[:aheadNames-1]
	}
	s.names = slices.Insert(s.names, 0, lastRead{name, sample})
}

// ask has the next window after a sample read.
func (s *sequence) ask(sample int) {
	from := max(s.end, sample+1)
	until := min(from+aheadSamples, s.view.Shard.Index.Samples())
	var files []prefetch.File
	var size int64
	end := from
	for ; end < until && size < aheadBytes; end++ {
		for _, r := range s.names {
			if r.sample < sample-2*aheadSamples {
				continue // it is not read any more
			}
			ino, dir, ok := s.view.FileOf(end, r.name)
			if !ok {
				continue
			}
			if n := s.view.Attr(ino).Size; n <= aheadBytes/2 {
				size += n
				files = append(files, prefetch.File{Path: path.Join(dir, r.name), Read: end > from})
			}
		}
	}
	if len(files) > 0 && s.to.Prefetch(files) {
		s.next, s.end = from, end
	} else {
		s.next = sample + aheadSamples // not at once again, as this takes time
	}
}
