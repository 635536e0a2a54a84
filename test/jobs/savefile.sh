#!/bin/bash
# Leaves a process that saves its work when it is asked to end.
"$MISBEHAVE" -term "${TERM_KIND:-catch}" -finish 1s -finish-by "${FINISH_BY:-sleep}" -finish-file "$OUT/saved" -exit -ready "$OUT/ready"
