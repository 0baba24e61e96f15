package gallery

import (
	"errors"
	"io"
	"sync"
)

// renew opens those sources again that were replaced or have failed, in the background. What they had is shown until
// then; after that all samples may have other numbers.
func (s *set) renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.again = true; s.renewing {
		return
	}
	s.renewing = true
	s.openers.Go(func() {
		for s.renews() {
			for _, p := range s.parts {
				if p.mayRenew() && s.ctx.Err() == nil {
					s.reopen(p)
				}
			}
		}
	})
}

// renews reports whether renew was called again, and ends renewing if not.
func (s *set) renews() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewing, s.again = s.again, false
	return s.renewing
}

// mayRenew reports whether a part was replaced or has failed.
func (p *part) mayRenew() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state == replaced || p.state == failed
}

// reopen opens the source of a part again. If that fails, the part stays as it is, with another error.
func (s *set) reopen(p *part) {
	now, err := p.load(s.ctx, s.o)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.err = err
		return
	}
	s.mu.Lock()
	p.mu.Lock()
	old := p.src
	p.opened, p.err = now, nil
	p.mu.Unlock()
	s.generation++
	s.mu.Unlock()
	if old != nil {
		s.uses.retire(old)
	}
	s.openers.Go(func() { p.await(s.ctx, s.o) })
}

// uses are requests and work that use sources. A source that was replaced by another is closed when there are none. The
// zero value has none.
type uses struct {
	mu      sync.Mutex // guards the fields below
	count   int
	retired []io.Closer
}

// begin begins a use.
func (u *uses) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count++
}

// end ends a use.
func (u *uses) end() {
	u.mu.Lock()
	u.count--
	last := u.count == 0
	u.mu.Unlock()
	if last {
		u.close()
	}
}

// retire has a source closed that no later use knows of.
func (u *uses) retire(c io.Closer) {
	u.mu.Lock()
	u.retired = append(u.retired, c)
	u.mu.Unlock()
	u.begin()
	u.end()
}

// close closes what was retired, unless there are uses. It reports the errors, which only the last call can do something
// about.
func (u *uses) close() error {
	u.mu.Lock()
	var all []io.Closer
	if u.count == 0 {
		all, u.retired = u.retired, nil
	}
	u.mu.Unlock()
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
