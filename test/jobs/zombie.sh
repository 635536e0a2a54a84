#!/bin/bash
# Leaves a process whose first thread is gone while another lives.
"$MISBEHAVE" -zombie-leader -exit -ready "$OUT/ready"
sleep 0.2
