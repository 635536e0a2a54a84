#!/bin/bash
# Leaves a daemon that threw its environment away, as a child of one that did
# not, and one in the session of the job.
"$MISBEHAVE" -exit -ready "$OUT/ready.one"
"$MISBEHAVE" -exit -clean-env -ready "$OUT/ready.two"
setsid bash -c 'env -i sleep 1000 &
	echo "$! $(cut -d " " -f 22 /proc/$!/stat)" >"$OUT/ready.three"
	exec sleep 1000' &
until [ -s "$OUT/ready.three" ]; do sleep 0.05; done
