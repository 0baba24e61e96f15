package shard

import "github.com/shardfs/shardfs/internal/store"

// WillRead announces that plain bytes will be read soon.
func (s *Shard) WillRead(off, n int64) {
	if s.coded != nil {
		s.coded.WillRead(off, n)
	} else if advisor, ok := s.object.(store.Advisor); ok && s.isPlain() {
		advisor.WillRead(off, n)
	}
}

// WillGlance is WillRead for bytes after which no others are likely to be read, such as those of what is on a screen. Of a
// compressed shard it is the same.
func (s *Shard) WillGlance(off, n int64) {
	if glancer, ok := s.object.(store.Glancer); ok && s.isPlain() {
		glancer.WillGlance(off, n)
	} else {
		s.WillRead(off, n)
	}
}
