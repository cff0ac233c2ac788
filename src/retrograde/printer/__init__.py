"""Events as text: sysdig's line, strace's, formats of fields, JSON.

How a system call's arguments look is generated from the syscall table, once (`calls.py`), for single events
(`arguments.py`) and for whole batches at speed (`lines.py`) alike.
"""
