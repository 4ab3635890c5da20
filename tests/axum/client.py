"""A client of the axum application, on the socket whose path is the argument."""

import http.client
import os
import socket
import sys


class UnixConnection(http.client.HTTPConnection):
    """http.client's connection, on a Unix socket."""

    connects = 0

    def __init__(self, path):
        super().__init__("here", timeout=60)
        self.path = path

    def connect(self):
        self.connects += 1
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(connection, *request, body=None):
    connection.request(*request, body=body)
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    return answer.read()


connection = UnixConnection(sys.argv[1])
for _ in range(100):
    assert ask(connection, "GET", "/") == b"hello"
sent = os.urandom(8 << 20)
received = ask(connection, "POST", "/echo", body=sent)
assert received == sent
print(f"{connection.connects} connection, {len(received)} bytes")
