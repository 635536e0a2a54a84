#!/bin/bash
# Leaves a daemon that threw its environment away, as a child of one that did
# not, and one in a session of the job, which only its name tells from others.
"$MISBEHAVE" -exit -ready "$OUT/ready.one"
"$MISBEHAVE" -exit -clean-env -ready "$OUT/ready.two"
setsid bash -c 'env -i bash -c "exec -a $OUT sleep 1000" & exec sleep 1000' &
sleep 0.2
