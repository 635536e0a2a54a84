#!/bin/bash
# All of it ignores SIGTERM.
trap '' TERM
[ "$SLURM_ARRAY_TASK_ID" = 1 ] && exec "$MISBEHAVE" -term ignore -children 2 -ready "$OUT/kept"
exec "$MISBEHAVE" -term ignore -children 2 -ready "$OUT/ready"
