"""Threads that wait in many kinds of frames. What Python itself says of them
goes to the file named first; then everything stays as it is."""
import json
import os
import sys
import threading
import time

never = threading.Event()
waiting = []


def wait():
    waiting.append(1)
    never.wait()


def deep(n):
    if n:

        deep(n - 1)
    else:
        wait()


class Manager:
    def __enter__(self):
        wait()

    def __exit__(self, *_):
        pass


def in_with():
    with Manager():
        pass


def generate():
    yield 1
    wait()
    yield 2


def in_generator():
    for one in generate():
        str(one)


def in_comprehension():
    return [wait() for _ in range(3)]


def in_except():
    try:
        raise ValueError
    except ValueError:
        wait()
    finally:
        pass


class Lazy:
    @property
    def value(self):
        return wait()


def in_property():
    return Lazy().value


def in_exec():
    exec(compile("\n\n\nwait()\n", "<text>", "exec"), {"wait": wait})


def größe():
    wait()


# A function so long that its table of lines has large steps.
long = "def long():\n" + "".join("    x%d = %d\n" % (i, i) for i in range(400)) + "\n" * 300 + "    wait()\n"
names = {"wait": wait}
exec(compile(long, "/tmp/long.py", "exec"), names)

work = [lambda: deep(150), in_with, in_generator, in_comprehension, in_except, in_property, in_exec, größe, names["long"],
        lambda: wait()]
threads = [threading.Thread(target=one, name="worker %d ü" % i, daemon=i % 2 == 0) for i, one in enumerate(work)]
for one in threads:
    one.start()
while len(waiting) < len(work):
    time.sleep(0.01)
time.sleep(0.2)


def tell():
    truth = {}
    ids = {t.ident: t for t in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        stack = []
        while frame is not None:
            stack.append([frame.f_code.co_name, frame.f_code.co_filename, frame.f_lineno])
            frame = frame.f_back
        t = ids[ident]
        native = getattr(t, "native_id", None)
        truth[t.name] = {"tid": native or 0, "daemon": t.daemon, "stack": stack}
    with open(sys.argv[1] + ".new", "w") as out:
        json.dump(truth, out)
    os.rename(sys.argv[1] + ".new", sys.argv[1])


tell()
never.wait()
