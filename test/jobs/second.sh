#!/bin/bash
# Does not end: a handler that goes on, five children that ignore SIGTERM, and
# a lock that they hold together.
exec "$MISBEHAVE" -max 10m -term stay -children 5 -child-term ignore -lock "flock:$OUT/lock" -ready "$OUT/ready"
