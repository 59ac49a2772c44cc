#!/usr/bin/env python3
"""A journald for tests: takes datagrams of the native protocol at PATH, and prints each as a line of JSON.

  journal.py PATH"""
import json
import os
import socket
import sys

path = sys.argv[1]
if os.path.exists(path):
    os.unlink(path)
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind(path)
print(json.dumps({"ready": True}), flush=True)
while True:
    entry = {}
    for line in journal.recv(1 << 20).decode().split("\n"):
        key, is_field, value = line.partition("=")
        if is_field:
            entry[key] = value
    print(json.dumps(entry), flush=True)
