#!/bin/bash
# Two tasks: the first leaves a daemon and ends, the second goes on until it
# is told to end.
srun -n 2 bash -c '
if [ "$SLURM_PROCID" = 0 ]; then
	"$MISBEHAVE" -setsid -exit -ready "$OUT/ready"
else
	until [ -e "$OUT/end" ]; do sleep 0.05; done
fi'
