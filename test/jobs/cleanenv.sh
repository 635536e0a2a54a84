#!/bin/bash
# Leaves a daemon that threw its environment away, as a child of one that did
# not, and one in the session of the job.
"$MISBEHAVE" -exit -ready "$OUT/ready.one"
"$MISBEHAVE" -exit -clean-env -ready "$OUT/ready.two"
setsid bash -c 'env -i sleep 1000 & exec sleep 1000' &
sleep 0.2
