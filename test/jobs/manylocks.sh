#!/bin/bash
# Leaves a lock of each kind.
"$MISBEHAVE" -term ignore -lock "flock:$OUT/a" -lock "posix:$OUT/b" -lock "ofd:$OUT/c" -lock "lease:$OUT/d" -exit -ready "$OUT/ready"
