#!/bin/bash
# Another job of the same user: it works on, and one process of it claims to
# be of job TARGET.
SLURM_JOB_ID=$TARGET "$MISBEHAVE" -ready "$OUT/ready" &
"$MISBEHAVE" -setsid -ready "$OUT/ready" &
wait
