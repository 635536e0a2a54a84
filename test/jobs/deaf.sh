#!/bin/bash
# All of it ignores SIGTERM.
trap '' TERM
[ "$SLURM_ARRAY_TASK_ID" = 1 ] && exec "$MISBEHAVE" -max 10m -term ignore -children 2 -ready "$OUT/kept"
exec "$MISBEHAVE" -max 10m -term ignore -children 2 -ready "$OUT/ready"
