package pack

import (
	"io"
	"iter"
	"slices"
	"sync"
)

const (
	readersAhead = 8        // goroutines that read: more than CPUs, because disks and networks take time
	batchFiles   = 32       // files that one of them reads at a time
	batchesAhead = 16       // batches read ahead and not yet written
	fileAhead    = 64 << 10 // bytes of the largest file that is read ahead
)

// ReadAhead yields the same samples. It opens their new files in several goroutines, up to 512 files ahead of the caller,
// to find out their sizes and times, and to read those of up to 64 KiB, 32 MiB of them at most. The content of a sample's
// files may be used until the next sample is asked for. Only the caller's goroutine uses the sequence.
func ReadAhead(samples iter.Seq2[Sample, error]) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		work := make(chan *batch, batchesAhead)
		var readers sync.WaitGroup
		for range readersAhead {
			readers.Go(func() {
				for b := range work {
					b.read()
				}
			})
		}
		defer readers.Wait()
		defer close(work)
		next, stop := iter.Pull2(samples)
		defer stop()
		var queue, free []*batch
		for more := true; more || len(queue) > 0; {
			for more && len(queue) < batchesAhead {
				b := new(batch)
				if last := len(free) - 1; last >= 0 {
					b, free = free[last], free[:last]
				}
				more = b.fill(next)
				work <- b
				queue = append(queue, b)
			}
			b := queue[0]
			queue = queue[1:]
			<-b.done
			for _, s := range b.samples {
				if !yield(s, nil) {
					return
				}
			}
			if b.err != nil {
				yield(Sample{}, b.err)
				return
			}
			free = append(free, b)
		}
	}
}

// batch are samples whose files are read together.
type batch struct {
	samples []Sample
	err     error         // of the sequence, after the samples
	done    chan struct{} // closed when the files are read
	members []Member      // of all samples
	content []byte        // of all files
}

// fill takes the next samples of a sequence. It reports whether there may be more.
func (b *batch) fill(next func() (Sample, error, bool)) (more bool) {
	b.samples, b.members, b.content = b.samples[:0], b.members[:0], b.content[:0]
	b.done = make(chan struct{})
	for files := 0; files < batchFiles && len(b.samples) < batchFiles; {
		s, err, ok := next()
		if !ok || err != nil {
			b.err = err
			return false
		}
		files += len(s.members)
		b.samples = append(b.samples, s)
	}
	return true
}

// read reads the files. One that cannot be read is left to the writer, which returns the error.
func (b *batch) read() {
	defer close(b.done)
	files := 0
	for i, s := range b.samples {
		first := len(b.members)
		b.members = append(b.members, s.members...)
		members := b.members[first:len(b.members):len(b.members)]
		for n := range members {
			if file := &members[n].File; file.Row == Changed {
				files++
				b.readFile(file, files <= batchFiles)
			}
		}
		b.samples[i].members = members
	}
}

// readFile updates a file to what it is now, with its content in memory if that is small and wanted.
func (b *batch) readFile(file *DirFile, content bool) {
	f, err := file.Open()
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	file.Size, file.ModTime = info.Size(), info.ModTime()
	if !content || file.Size > fileAhead {
		return
	}
	start, end := len(b.content), len(b.content)+int(file.Size)
	b.content = slices.Grow(b.content, int(file.Size))[:end]
	if _, err := io.ReadFull(f, b.content[start:]); err == nil {
		*file = inMemory(*file, b.content[start:end:end])
	}
}
