#!/bin/bash
# The script takes more memory than it may, beside a step that ignores SIGTERM.
srun -n 1 --mem=20 "$MISBEHAVE" -term ignore -ready "$OUT/ready" &
until [ -s "$OUT/ready" ]; do sleep 0.05; done
sleep 1
exec tail /dev/zero
