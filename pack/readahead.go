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
// to find out their sizes and times, and to read those of up to 64 KiB, 32 MiB of them at most. Only the caller's
// goroutine uses the sequence.
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
		var queue []*batch
		for more := true; more || len(queue) > 0; {
			for more && len(queue) < batchesAhead {
				var b *batch
				b, more = newBatch(next)
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
		}
	}
}

// batch are samples whose files are read together.
type batch struct {
	samples []Sample
	err     error         // of the sequence, after the samples
	done    chan struct{} // closed when the files are read
}

// newBatch takes the next samples of a sequence. It reports whether there may be more.
func newBatch(next func() (Sample, error, bool)) (b *batch, more bool) {
	b = &batch{done: make(chan struct{})}
	for files := 0; files < batchFiles && len(b.samples) < batchFiles; {
		s, err, ok := next()
		if !ok || err != nil {
			b.err = err
			return b, false
		}
		files += len(s.members)
		b.samples = append(b.samples, s)
	}
	return b, true
}

// read reads the files. One that cannot be read is left to the writer, which returns the error.
func (b *batch) read() {
	defer close(b.done)
	files := 0
	for i, s := range b.samples {
		members := slices.Clone(s.members)
		for n, m := range members {
			if m.File.Row != Changed {
				continue
			}
			files++
			if file, err := readNow(m.File, files <= batchFiles); err == nil {
				members[n].File = file
			}
		}
		b.samples[i].members = members
	}
}

// readNow returns what a file is now, with its content in memory if that is small and wanted.
func readNow(file DirFile, content bool) (DirFile, error) {
	f, err := file.Open()
	if err != nil {
		return file, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return file, err
	}
	if !info.Mode().IsRegular() {
		return file, ErrChanged
	}
	file.Size, file.ModTime = info.Size(), info.ModTime()
	if !content || file.Size > fileAhead {
		return file, nil
	}
	b := make([]byte, file.Size)
	if _, err := io.ReadFull(f, b); err != nil {
		return file, err
	}
	return inMemory(file, b), nil
}
