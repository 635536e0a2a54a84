#!/bin/bash
# Works on and ignores the request to end.
trap '' TERM
exec "$MISBEHAVE" -term ignore -children 2 -ready "$OUT/ready"
