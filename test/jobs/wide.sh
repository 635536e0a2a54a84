#!/bin/bash
# A step on two nodes, all of which ignores SIGTERM.
trap '' TERM
srun -N 2 --ntasks-per-node=1 --no-kill bash -c '
trap "" TERM
exec "$MISBEHAVE" -max 10m -term ignore -ready "$OUT/ready.$SLURMD_NODENAME"' &
until [ "$(cat "$OUT"/ready.* 2>/dev/null | wc -l)" = 2 ]; do sleep 0.05; done
"$MISBEHAVE" -max 10m -term ignore -ready "$OUT/ready.$SLURMD_NODENAME" &
until [ "$(wc -l <"$OUT/ready.$SLURMD_NODENAME")" = 2 ]; do sleep 0.05; done
cat "$OUT"/ready.* >"$OUT/ready"
wait
sleep 60
