package guard

import (
	"os"
	"os/signal"
	"syscall"
)

// name is the name of the process, by which ps, killall and pkill know it: another one than the program's, so that those do
// not end the guardian together with what it guards.
const name = "guardian"

// hide has the process survive what ends others: signals to all processes of a terminal or of the program's name, and a
// shortage of memory, in which the kernel kills processes.
func hide() {
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	// It guards without these, too.
	os.WriteFile("/proc/self/comm", []byte(name), 0)
	os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0)
}
