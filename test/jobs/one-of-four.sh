#!/bin/bash
# Four tasks: when they are asked to end one saves, and three wait for it.
srun -n 4 bash -c '
if [ "$SLURM_PROCID" = 2 ]; then
	exec "$MISBEHAVE" -term catch -finish 20s -finish-by trickle -finish-file "$OUT/saved" -ready "$OUT/ready"
fi
exec "$MISBEHAVE" -term stay -ready "$OUT/ready"'
