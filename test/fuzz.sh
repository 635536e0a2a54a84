#!/bin/sh
# Runs every fuzz target of the tree for FUZZTIME each, LANES at a time.
# Ends with 1 if any has a finding; its log is in LOGS.
set -eu
cd "$(dirname "$0")/.."
time=${FUZZTIME:-10m} lanes=${LANES:-2} logs=${LOGS:-$(mktemp -d)}
grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' . | sed 's/:func / /' |
	while read -r file target; do echo "$(dirname "$file") $target"; done |
	xargs -P "$lanes" -L 1 sh -c '
		log="$2/$(echo "${3#./}" | tr / _)-$4.log"
		if nice -n 19 go test -run "^$" -fuzz "^$4\$" -fuzztime "$1" -parallel 1 -fuzzminimizetime 10x "$3" >"$log" 2>&1
		then echo "ok   $3 $4"
		else echo "FAIL $3 $4, see $log"; exit 1
		fi' sh "$time" "$logs"
