package retry

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errBusy  = errors.New("busy")
	errOther = errors.New("other")
	errGone  = errors.New("gone")
)

func TestWhile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		policy Policy
		busy   int   // number of busy attempts
		then   error // error of the attempt after them
		want   error
		tries  int
		least  time.Duration
		most   time.Duration
	}{
		{"at once", Policy{}, 0, nil, nil, 1, 0, 0},
		{"another error", Policy{}, 0, errOther, errOther, 1, 0, 0},
		{"later", Policy{}, 3, nil, nil, 4, 3500 * time.Microsecond, 7 * time.Millisecond},
		{"another error later", Policy{}, 2, errOther, errOther, 3, 1500 * time.Microsecond, 3 * time.Millisecond},
		{"too long", Policy{Limit: time.Second}, 1 << 20, nil, errBusy, 0, 900 * time.Millisecond, time.Second},
		{"growing pauses", Policy{First: time.Second, Most: 4 * time.Second}, 5, nil, nil, 6, 7500 * time.Millisecond,
			15 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, start := 0, time.Now()
				err := While(t.Context(), tt.policy, Is(errGone, errBusy), func() error {
					if tries++; tries <= tt.busy {
						return fmt.Errorf("try %d: %w", tries, errBusy)
					}
					return tt.then
				})
				if !errors.Is(err, tt.want) || err != nil && tt.want == nil {
					t.Errorf("the error is %v, want %v", err, tt.want)
				}
				if tt.tries > 0 && tries != tt.tries {
					t.Errorf("%d tries, want %d", tries, tt.tries)
				}
				if took := time.Since(start); took < tt.least || took > tt.most {
					t.Errorf("took %v, want %v to %v", took, tt.least, tt.most)
				}
			})
		})
	}
}

func TestWhileEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(errGone) })
		start := time.Now()
		err := While(ctx, Policy{}, Is(errBusy), func() error { return errBusy })
		if err != errGone || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := While(ctx, Policy{}, Is(errBusy), func() error { return nil }); err != nil {
			t.Errorf("a try that succeeds although the context has ended: %v", err)
		}
	})
}
