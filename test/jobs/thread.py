#!/usr/bin/env python3
"""A job whose work is done, but which never ends: a thread was forgotten."""
import threading
import time

def watch():
    while True:
        time.sleep(5)

threading.Thread(target=watch).start()
print("all work is done", flush=True)
