#!/bin/bash
# Leaves a chain: each process starts the next and is gone.
"$MISBEHAVE" -fork-chain -exit -ready "$OUT/ready"
