#!/bin/bash
# Leaves processes with names that try to be something else.
"$MISBEHAVE" -name 'a) Z 1 (\n' -exit -ready "$OUT/ready.1"
"$MISBEHAVE" -name '\x1b[2J\x1b]0;x\a' -exit -ready "$OUT/ready.2"
"$MISBEHAVE" -name '\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1' -exit -ready "$OUT/ready.3"
"$MISBEHAVE" -name 'slurmstepd' -exit -ready "$OUT/ready.4"
