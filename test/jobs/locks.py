#!/usr/bin/env python3
"""A job that hangs when it is cancelled: its children ignore SIGTERM and hold a lock."""
import fcntl
import os
import signal
import sys
import time

lock = open(sys.argv[1], "w")
for _ in range(3):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        while True:
            time.sleep(1)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("started", flush=True)
while True:
    time.sleep(1)
