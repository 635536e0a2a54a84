#!/bin/bash
# Leaves five processes and a lock: a plain child with a child of its own, a
# daemon with its own session, a double fork that ignores SIGTERM, and a child
# that holds a lock which a process that is gone has taken.
bash -c 'sleep 1000 & wait' &
setsid sleep 1000 &
"$MISBEHAVE" -daemon -term ignore -ready "$OUT/ready.daemon"
"$MISBEHAVE" -lock "flock:$OUT/lock" -pass-lock -exit -ready "$OUT/ready.lock"
sleep 0.2
