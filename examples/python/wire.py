"""As much of RFC 6455 as a client of the scheduler needs. Nothing but the standard library."""

import base64
import json
import os
import socket
import struct
import threading

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SILENCE = 45  # seconds; the scheduler pings every 20


class Closed(Exception):
    """The connection is over, with the peer's close code, or 1006 if it sent none."""

    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


class WebSocket:
    """Messages are JSON objects. Any thread may send; one receives."""

    def __init__(self, address, path, key=None):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader, self.lock = self.socket.makefile("rb"), threading.Lock()
        head = [f"GET {path} HTTP/1.1", f"Host: {address}", "Upgrade: websocket", "Connection: Upgrade"]
        head += [f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13"]
        head += [f"Authorization: Bearer {key}"] if key else []
        self.socket.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        status = self.reader.readline().decode().strip()
        while self.reader.readline().strip():
            pass
        if " 101 " not in status + " ":
            raise SystemExit(f"the scheduler refuses the handshake: {status}") if " 4" in status else OSError(status)
        self.socket.settimeout(SILENCE)

    def frame(self, opcode, payload):
        mask, size = os.urandom(4), len(payload)
        length = bytes([0x80 | size]) if size < 126 else struct.pack("!BH", 0xFE, size) if size < 65536 else struct.pack("!BQ", 0xFF, size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        with self.lock:
            self.socket.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def send(self, **message):
        self.frame(TEXT, json.dumps(message).encode())

    def close(self, code=1000):
        self.frame(CLOSE, struct.pack("!H", code))

    def receive(self):
        """The next message. Raises Closed, or OSError for a connection that broke or fell silent."""
        text = b""
        while True:
            first, second = self.exactly(2)
            size = second & 0x7F
            size = size if size < 126 else int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
            opcode, payload = first & 0x0F, self.exactly(size)
            if opcode == PING:
                self.frame(PONG, payload)
            elif opcode == CLOSE:
                self.frame(CLOSE, payload[:2])
                raise Closed(int.from_bytes(payload[:2], "big") if payload else 1005)
            elif opcode != PONG:
                text += payload
                if first & 0x80:
                    return json.loads(text)

    def exactly(self, size):
        read = self.reader.read(size)
        if len(read) < size:
            raise Closed(1006)
        return read
