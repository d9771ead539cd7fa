"""Puts a task into a queue, and prints what the program's own call raised.

usage: job_queues.py PORT task (celery | rq)
"""

import sys

port, library = int(sys.argv[1]), sys.argv[3]
url = f"redis://127.0.0.1:{port}/0"

try:
    if library == "celery":
        from celery import Celery

        Celery("test", broker=url).send_task("task")
    else:
        from redis import Redis
        from rq import Queue

        Queue(connection=Redis.from_url(url)).enqueue(print, 1)
except Exception as error:
    print(f"{type(error).__name__}: {error}")
else:
    sys.exit("no error was seen")
