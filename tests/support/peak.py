#!/usr/bin/python3
"""peak.py FILE COMMAND...: runs it, and writes to FILE how much memory it, or one that it waited for, had at most, in KiB.

What a process has in that figure from the start is the memory of who made it: this one's, which is small.
"""
import os
import sys

child = os.fork()
if child == 0:
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    finally:
        os._exit(127)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    file.write("%d\n" % usage.ru_maxrss)
status = os.waitstatus_to_exitcode(status)
sys.exit(status if status >= 0 else 128 - status)
