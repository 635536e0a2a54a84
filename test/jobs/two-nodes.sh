#!/bin/bash
# Two nodes: rank 0 saves for FINISH on the first, rank 1 does nothing more on
# the second.
srun -N 2 --ntasks-per-node=1 bash -c '
if [ "$SLURM_PROCID" = 0 ]; then
	exec "$MISBEHAVE" -term catch -finish "$FINISH" -finish-by trickle -finish-file "$OUT/saved" -ready "$OUT/ready.0"
fi
exec "$MISBEHAVE" -term stay -ready "$OUT/ready.1"'
