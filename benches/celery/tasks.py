"""A trivial task as Celery users write it: acknowledged late, so that a dying worker loses none."""

import os
import time

from celery import Celery

app = Celery("tasks", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=4,
    worker_hijack_root_logger=False,
    result_expires=600,
    broker_connection_retry_on_startup=True,
)


@app.task
def add_one(number, sent):
    """Returns the number after, and how many seconds the task waited."""
    return number + 1, time.time() - sent
