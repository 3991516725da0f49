"""Sends tasks, all at once or so many a second, waits for their results and prints one JSON line."""

import json
import resource
import sys
import time

from tasks import add_one


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(count, rate):
    before = cpu()
    began = time.time()
    sent = []
    for number in range(count):
        if rate:
            time.sleep(max(0.0, began + number / rate - time.time()))
        sent.append(add_one.delay(number, time.time()))
    waits = []
    for number, result in enumerate(sent):
        after, wait = result.get(timeout=300)
        assert after == number + 1, (number, after)
        waits.append(wait * 1000)
    wall = time.time() - began
    waits.sort()
    print(json.dumps({
        "tasks": count,
        "wall_s": wall,
        "producer_cpu_s": cpu() - before,
        "p50_ms": waits[len(waits) // 2],
        "p99_ms": waits[min(len(waits) - 1, len(waits) * 99 // 100)],
    }))


main(int(sys.argv[1]), float(sys.argv[2]))
