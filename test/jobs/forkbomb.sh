#!/bin/bash
# Leaves a process that starts a thousand others a second.
"$MISBEHAVE" -daemon -term ignore -fork-rate "${FORK_RATE:-1000}" -ready "$OUT/ready"
