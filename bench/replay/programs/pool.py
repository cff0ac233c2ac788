"""usage: pool.py - a pool of processes, threads with a queue, asyncio with subprocesses, and signals."""

import asyncio
import multiprocessing
import os
import queue
import signal
import threading


def square(number):
    return sum(n * number for n in range(1000))


async def children():
    async def child(number):
        process = await asyncio.create_subprocess_exec("printf", str(number), stdout=asyncio.subprocess.PIPE)
        text, _ = await process.communicate()
        return int(text)

    return await asyncio.gather(*(child(number) for number in range(20)))


def main():
    with multiprocessing.Pool(4) as pool:
        squares = pool.map(square, range(500))
    items, total, lock = queue.Queue(8), [0], threading.Lock()

    def consume():
        while (item := items.get()) is not None:
            with lock:
                total[0] += item

    consumers = [threading.Thread(target=consume) for _ in range(4)]
    for thread in consumers:
        thread.start()
    for number in range(5000):
        items.put(number)
    for _ in consumers:
        items.put(None)
    for thread in consumers:
        thread.join()
    caught = []
    signal.signal(signal.SIGALRM, lambda *_: caught.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while len(caught) < 10:
        sum(range(1000))
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(len(squares), total[0], len(caught) >= 10, sum(asyncio.run(children())), os.getpid() > 1)
    assert (len(squares), total[0]) == (500, 12497500)


if __name__ == "__main__":
    main()
