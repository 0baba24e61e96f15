package runner

import "strings"

// environ returns env with PWD and the variables in more. Each name occurs only once, because it would depend on the
// command which of two values it uses.
func environ(env []string, dir string, more []string) []string {
	all := make([]string, 0, len(env)+1+len(more))
	all = append(append(all, "PWD="+dir), more...)
	own := all
	for _, v := range env {
		if !defines(own, v) {
			all = append(all, v)
		}
	}
	return all
}

// defines reports whether env has a variable with the same name as v.
func defines(env []string, v string) bool {
	name, _, _ := strings.Cut(v, "=")
	for _, e := range env {
		if n, _, _ := strings.Cut(e, "="); n == name {
			return true
		}
	}
	return false
}
