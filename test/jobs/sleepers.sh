#!/bin/bash
# Waits with SLEEPERS more processes, none of which ends when it is asked to.
trap '' TERM
for _ in $(seq "$SLEEPERS"); do sleep 1000 & done
echo "$$ $(cut -d' ' -f22 "/proc/$$/stat")" >>"$OUT/ready"
wait
sleep 1000
