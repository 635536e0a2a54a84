#!/bin/bash
# Waits for a sign, so that a test can start others beside it, and then leaves
# what leftovers.sh leaves.
until [ -e "$OUT/go" ]; do sleep 0.05; done
setsid sleep 1000 &
bash -c 'sleep 1000 & wait' &
"$MISBEHAVE" -daemon -term ignore -ready "$OUT/ready"
