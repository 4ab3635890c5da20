"""The other side of conformance case 144: Python's own sockets, told what to do line by line.

Each line of standard input is a command, each answered by one line; see src/foreign.rs.
"""

import os
import socket
import sys
import threading

listener = None
connection = None
kept = []


def address(text):
    kind, _, digits = text.partition(":")
    return bytes.fromhex(digits)


def new_socket():
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)


def serve(at):
    global listener
    listener = new_socket()
    listener.bind(address(at))
    listener.listen(4)
    return "listening"


def accept():
    global connection
    connection, _ = listener.accept()
    return "accepted"


def connect(to):
    global connection
    connection = new_socket()
    connection.connect(address(to))
    return "connected"


def fill(at):
    clients = 0
    while True:
        client = new_socket()
        client.setblocking(False)
        try:
            client.connect(address(at))
        except OSError as error:
            return f"filled {clients} {error.errno}"
        kept.append(client)
        clients += 1


def empty():
    kept.clear()
    return "emptied"


def echo():
    total = 0
    while received := connection.recv(65536):
        connection.sendall(received)
        total += len(received)
    connection.shutdown(socket.SHUT_WR)
    return f"echoed {total}"


def check(length):
    sent = os.urandom(int(length))

    def send():
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = b"".join(iter(lambda: connection.recv(65536), b""))
    sender.join()
    return f"same {len(received)}" if received == sent else "different"


def write(digits):
    connection.sendall(bytes.fromhex(digits))
    return "wrote"


def read():
    received = connection.recv(65536)
    return f"read {received.hex()}" if received else "end"


def close_read():
    connection.shutdown(socket.SHUT_RD)
    return "closed"


def close_write():
    connection.shutdown(socket.SHUT_WR)
    return "closed"


def close():
    connection.close()
    return "closed"


COMMANDS = {
    "serve": serve, "accept": accept, "connect": connect, "fill": fill, "empty": empty,
    "echo": echo, "check": check, "write": write, "read": read,
    "close-read": close_read, "close-write": close_write, "close": close,
}

for line in sys.stdin:
    command, *arguments = line.split()
    try:
        answer = COMMANDS[command](*arguments)
    except OSError as error:
        answer = f"failed {error.errno}"
    print(answer, flush=True)
