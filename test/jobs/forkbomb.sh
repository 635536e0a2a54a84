#!/bin/bash
# Leaves a process that starts a thousand others a second.
"$MISBEHAVE" -daemon -term ignore -fork-rate 1000 -ready "$OUT/ready"
