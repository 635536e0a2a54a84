#!/usr/bin/env python3
"""A program whose log says that all is done, and which never ends: it works
with a pool of processes, and forgets a thread that looks after things."""
import logging
import multiprocessing
import threading
import time

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
log = logging.getLogger(__name__)


def process(item):
    log.info("item %d", item)
    time.sleep(0.2)
    return item * 2


def background_monitor():
    while True:
        log.info("monitoring")
        time.sleep(5)


def main():
    threading.Thread(target=background_monitor).start()
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        log.info("results: %s", pool.map(process, range(10)))
    log.info("all work is done")


if __name__ == "__main__":
    main()
