#!/bin/bash
# Leaves a stopped process.
"$MISBEHAVE" -stopped -setsid -exit -ready "$OUT/ready"
