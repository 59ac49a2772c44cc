#!/usr/bin/env python3
"""Sends bytes to a TCP or unix socket and prints the answer up to the end of file.

  http.py ADDRESS:PORT|PATH REQUEST    REQUEST with \\r\\n for line ends, as printf takes it"""
import socket
import sys

where = sys.argv[1]
request = sys.argv[2].encode().decode("unicode_escape").encode("latin-1")
if where.startswith("/"):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(where)
else:
    host, port = where.rsplit(":", 1)
    connection = socket.create_connection((host.strip("[]"), int(port)))
connection.settimeout(20)
try:
    connection.sendall(request)
except OSError:
    pass  # it may have answered before all was said
answer = b""
while chunk := connection.recv(65536):
    answer += chunk
sys.stdout.buffer.write(answer)
