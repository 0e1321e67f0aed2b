"""Runs a command on a pseudo-terminal: on_terminal.py COLUMNS REPLY COMMAND...

The reply is typed at each `[y/N]` question. The output of the command is printed, and its exit
code is passed on. A reply of `EOF` ends the input instead. If the variable ON_TERMINAL_STOP_AT is
set, Ctrl-C is typed as soon as the output contains its text twice.
"""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

SECONDS = 60

columns, reply, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, int(columns), 0, 0))
    # A shell starts background jobs with SIGINT ignored, and Ctrl-C would then do nothing.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(command[0], command)

output, answered = b"", 0
stop_at = os.environ.get("ON_TERMINAL_STOP_AT", "").encode()
deadline = time.monotonic() + 2 * SECONDS
while True:
    ready = select.select([terminal], [], [], SECONDS)[0]
    if not ready or time.monotonic() > deadline:
        os.kill(pid, signal.SIGKILL)
        sys.exit(f"no output within {SECONDS} s, or no end within {2 * SECONDS} s: {output!r}")
    try:
        part = os.read(terminal, 65536)
    except OSError:  # How Linux reports that the command closed the terminal.
        part = b""
    if not part:
        break
    output += part
    if stop_at and output.count(stop_at) >= 2:
        os.write(terminal, b"\x03")
        stop_at = b""
    while output.count(b"[y/N] ") > answered:
        answered += 1
        os.write(terminal, b"\x04" if reply == "EOF" else reply.encode() + b"\n")
sys.stdout.buffer.write(output.replace(b"\r\n", b"\n"))
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
