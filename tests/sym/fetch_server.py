#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A symbol server on 127.0.0.1 for test_fetch.c. The first part of the path
says how it behaves; it prints its port when it listens.

usage: fetch_server.py PDB
"""
import gzip
import struct
import sys
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PDB = open(sys.argv[1], "rb").read()
seen = {}


def cabinet(data):
    """One file, MSZIP."""
    blocks, window = b"", b""
    pieces = [data[i:i + 32768] for i in range(0, len(data), 32768)]
    for piece in pieces:
        z = zlib.compressobj(9, zlib.DEFLATED, -15, 9,
                             zlib.Z_DEFAULT_STRATEGY, window) \
            if window else zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = b"CK" + z.compress(piece) + z.flush()
        blocks += struct.pack("<IHH", 0, len(packed), len(piece)) + packed
        window = piece
    entry = struct.pack("<IIHHHH", len(data), 0, 0, 0, 0, 0) + b"a.pdb\0"
    first = 36 + 8 + len(entry)
    head = b"MSCF" + struct.pack("<IIIIIBBHHHHH", 0, first + len(blocks), 0,
                                 44, 0, 3, 1, 1, 1, 0, 0, 0)
    folder = struct.pack("<IHH", first, len(pieces), 1)
    return head + folder + entry + blocks


def other(data):
    """The same PDB under another identity: a byte of its GUID."""
    at = data.index(b"LLD PDB.")
    return data[:at] + b"?" + data[at + 1:]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, body, status=200, length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(body)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def cut(self):
        self.send(PDB[:5000], length=len(PDB))
        self.close_connection = True

    def do_GET(self):
        way, _, rest = self.path.lstrip("/").partition("/")
        seen[self.path] = seen.get(self.path, 0) + 1
        first = seen[self.path] == 1
        packed = rest.endswith("_")
        if way in ("plain", "gzip", "busy", "cut-once", "redirect") and packed:
            self.send(b"not here", 404)
        elif way == "plain":
            self.send(PDB)
        elif way == "redirect":
            self.send(b"", 302, Location=f"/plain/{rest}?signed=1")
        elif way == "gzip":
            self.send(gzip.compress(PDB), Content_Encoding="gzip")
        elif way == "cabinet":
            self.send(cabinet(PDB) if packed else b"no", 200 if packed
                      else 404)
        elif way == "busy":
            self.send(b"later", 503) if first else self.send(PDB)
        elif way == "cut-once":
            self.cut() if first else self.send(PDB)
        elif way == "html":
            self.send(b"<!DOCTYPE html><html>Sign in</html>" + b" " * 100)
        elif way == "other":
            self.send(other(PDB))
        elif way == "cut":
            self.cut()
        elif way == "stall":
            self.send_response(200)
            self.send_header("Content-Length", str(len(PDB)))
            self.end_headers()
            self.wfile.write(PDB[:100])
            self.wfile.flush()
            time.sleep(5)
            self.close_connection = True
        elif way == "loop":
            self.send(b"", 302, Location=self.path)
        elif way == "file":
            self.send(b"", 302, Location="file:///etc/hostname")
        elif way == "denied":
            self.send(b"no", 403)
        else:
            self.send(b"not here", 404)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
