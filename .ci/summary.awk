# Shows of `go test -v` a line for each package. At the end come the tests that were skipped, with what they need, then what
# those that failed say, and their names. The last line of the input is "exit STATUS".

/^exit [0-9]+$/ { status = $2; next }

# Of several tests at a time, this says whose lines follow.
/^=== (RUN|PAUSE|CONT|NAME) / { test = $3; next }

# Not the lines of a story itself, which begin with >.
/SKIPPED: / && !/^ *> / { reason = $0; sub(/^.*SKIPPED: /, "", reason); if (!seen[reason]++) skipped[++skips] = reason }

/^ *--- (PASS|SKIP|FAIL): / {
	if ($2 == "FAIL:") {
		bad[$3] = 1
		failed[++fails] = $3
	}
	test = ""
	next
}

/^(ok|FAIL|\?)[ \t].*[ \t]/ {
	print
	fflush()
	if ($1 == "FAIL") {
		# What is said outside of any test, as of a crash, or with no test failed, is shown as well.
		for (i = 1; i <= lines; i++)
			if (of[i] == "" || of[i] in bad || fails == known)
				shown[++shows] = said[i]
		if (fails == known)
			failed[++fails] = $2
	}
	known = fails
	lines = 0
	split("", bad)
	test = ""
	next
}

{ said[++lines] = $0; of[lines] = test }

END {
	if (skips)
		print "\nSkipped, for want of what a test needs:"
	for (i = 1; i <= skips; i++)
		print "  " skipped[i]
	if (status)
		print ""
	for (i = 1; i <= shows; i++)
		print shown[i]
	for (i = 1; i <= lines && status; i++)
		print said[i]
	if (fails)
		print "\nFailed:"
	for (i = 1; i <= fails; i++)
		print "  " failed[i]
	exit status
}
