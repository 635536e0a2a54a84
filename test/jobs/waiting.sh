#!/bin/bash
# Has one process, says so, and ends when it is told to, leaving it behind.
"$MISBEHAVE" -setsid -exit -ready "$OUT/ready"
until [ -e "$OUT/go" ]; do sleep 0.05; done
