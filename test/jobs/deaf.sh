#!/bin/bash
# All of it ignores SIGTERM.
trap '' TERM
"$MISBEHAVE" -term ignore -children 2 -ready "$OUT/ready"
