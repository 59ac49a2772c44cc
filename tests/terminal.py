#!/usr/bin/env python3
"""Runs a command whose standard error is a terminal, and ends as it does.

  terminal.py OUTPUT COLUMNS COMMAND...

What comes on the terminal goes to the file OUTPUT as it is. Only what python3-minimal has."""
import fcntl
import os
import struct
import sys

TIOCSWINSZ = 0x5414
output, columns, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
terminal, side = os.openpty()
fcntl.ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
child = os.fork()
if child == 0:
    os.dup2(side, 2)
    os.close(side)
    os.close(terminal)
    os.execvp(command[0], command)
os.close(side)
with open(output, "wb") as file:
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        if not chunk:
            break
        file.write(chunk)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
