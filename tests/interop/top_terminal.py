#!/usr/bin/env python3
"""Runs a command on a terminal of its own, and does what a person does there.

  top_terminal.py END COMMAND...    END: q, ctrl-c or TERM

Looks at the screen that it draws: within its size, also after that has changed; the keys p and o; and that the terminal is
as before when it has ended, with exit code 0. Prints the last screen. Only what python3-minimal has."""
import fcntl
import os
import select
import signal
import struct
import sys
import time

TCGETS, TIOCSWINSZ = 0x5401, 0x5414
ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"

end, command = sys.argv[1], sys.argv[2:]
child, terminal = os.forkpty()
if child == 0:
    time.sleep(0.3)  # for its size
    os.execvp(command[0], command)


def fail(what):
    print(f"FAILED: {what}; it drew {output[-3000:]!r}", file=sys.stderr)
    os.kill(child, signal.SIGKILL)
    sys.exit(1)


def resize(columns, rows):
    fcntl.ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def settings():
    return fcntl.ioctl(terminal, TCGETS, bytes(36))


output = b""


def read(seconds):
    """What comes next; False at the end."""
    global output
    if select.select([terminal], [], [], seconds)[0]:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            return False
        output += chunk
        return len(chunk) > 0
    return True


def screens():
    whole = output.split(b"\x1b[H")[1:]
    return [[line.replace(b"\x1b[K", b"").decode() for line in screen.split(b"\x1b[J")[0].split(b"\r\n")]
            for screen in whole if b"\x1b[J" in screen]


def wait_screen(what, wanted, begin=0):
    end_at = time.monotonic() + 15
    while time.monotonic() < end_at:
        for number, screen in enumerate(screens()):
            if number >= begin and wanted(screen):
                return screen
        if not read(0.2):
            break
    return fail(f"no screen with {what}")


def check_size(screen, columns, rows):
    if len(screen) > rows or any(len(line) > columns for line in screen):
        fail(f"a screen larger than {columns} x {rows}: {screen}")


resize(80, 24)
before = settings()
screen = wait_screen("IOPS", lambda lines: any("IOPS" in line for line in lines[3:4]))
check_size(screen, 80, 24)
if ENTER not in output:
    fail("it does not take another screen")
if settings() == before:
    fail("keys are not taken one by one")
begin = len(screens())
os.write(terminal, b"p")
screen = wait_screen("paths", lambda lines: any("INTERFACE" in line for line in lines), begin)
check_size(screen, 80, 24)
os.write(terminal, b"o")
begin = len(screens())
resize(50, 7)
screen = wait_screen("7 rows", lambda lines: len(lines) <= 7 and max(map(len, lines)) <= 50, begin)
begin = len(screens())
screen = wait_screen("another sample", lambda lines: True, begin)
check_size(screen, 50, 7)
resize(80, 24)
screen = wait_screen("24 rows again", lambda lines: max(map(len, lines)) > 50, begin)

if end == "q":
    os.write(terminal, b"q")
elif end == "ctrl-c":
    os.write(terminal, b"\x03")
else:
    os.kill(child, getattr(signal, "SIG" + end))
end_at = time.monotonic() + 5
status = None
after = before
while time.monotonic() < end_at:
    read(0.05)
    try:
        after = settings()
    except OSError:
        pass
    done, code = os.waitpid(child, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(code)
        break
while read(0.1) and select.select([terminal], [], [], 0.1)[0]:
    pass
if status != 0:
    fail(f"it ended with {status}")
if not output.endswith(LEAVE):
    fail("it does not give the screen back")
if after != before:
    fail("the terminal is not as before")
print("\n".join(screen))
