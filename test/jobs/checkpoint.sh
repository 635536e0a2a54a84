#!/bin/bash
# Saves its work for FINISH when it is asked to end, in the way of HOW.
exec "$MISBEHAVE" $HOW -finish "${FINISH:-20s}" -finish-file "${SAVE:-$OUT/saved}" -ready "$OUT/ready"
