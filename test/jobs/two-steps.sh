#!/bin/bash
# Two steps: the first one may be cancelled, the second and the script go on.
srun -n 1 --overlap "$MISBEHAVE" -max 10m -term ignore -ready "$OUT/ready" &
until [ -s "$OUT/ready" ]; do sleep 0.05; done
srun -n 1 --overlap "$MISBEHAVE" -max 10m -term ignore -children 1 -ready "$OUT/kept" &
until [ "$(wc -l <"$OUT/kept" 2>/dev/null)" = 2 ]; do sleep 0.05; done
cat "$OUT/kept" >>"$OUT/ready"
wait
sleep 60
