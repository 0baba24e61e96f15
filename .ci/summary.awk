# Shows of `go test -v` what `go test` shows: a line for each package, and everything that a package says in which a test
# fails. Then come the tests that were skipped, with what they need. The last line of the input is "exit STATUS".

/^exit [0-9]+$/ { status = $2; next }

{ said[++lines] = $0 }

# Not the lines of a story itself, which begin with >.
/SKIPPED: / && !/^ *> / { sub(/^.*SKIPPED: /, ""); if (!seen[$0]++) skipped[++skips] = $0 }

/^(ok|FAIL|\?)[ \t]/ {
	first = $1 == "FAIL" ? 1 : lines
	for (i = first; i <= lines; i++)
		if (said[i] !~ /^(=== (RUN|PAUSE|CONT|NAME) | *--- PASS: |PASS$)/)
			print said[i]
	fflush()
	lines = 0
}

END {
	for (i = 1; i <= lines; i++)
		print said[i]
	if (skips)
		print "\nSkipped, for want of what a test needs:"
	for (i = 1; i <= skips; i++)
		print "  " skipped[i]
	exit status
}
