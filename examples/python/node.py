"""Works for the scheduler: a node, written from docs/protocol.md; its translation is the text in capitals. Usage: node.py HOST:PORT"""

import os
import sys
import threading
import time

from wire import Closed, WebSocket

HEARTBEAT, RETRY = 5, 5
REPLACED, WRONG_TOKEN = 4001, 4003


def translate(text):
    return text.upper()


class Node:
    def __init__(self, address):
        self.address, self.identity, self.results = address, {}, {}

    def connect(self):
        self.socket = WebSocket(self.address, "/ws/node", os.environ.get("HALFOPEN_NODE_KEY"))
        self.socket.send(type="node_register", capacity=1, **self.identity)
        hello = self.socket.receive()
        self.identity = {"node_id": hello["node_id"], "token": hello["token"]}
        for result in self.results.values():
            self.socket.send(**result)
        threading.Thread(target=self.beat, args=(self.socket,), daemon=True).start()

    def beat(self, socket):
        try:
            while self.socket is socket:
                socket.send(type="node_heartbeat")
                time.sleep(HEARTBEAT)
        except OSError:
            pass  # the receiving thread sees it as well

    def work(self):
        while True:
            message = self.socket.receive()
            attempt = {name: message[name] for name in ("job_id", "attempt_id") if name in message}
            if message["type"] == "job_assign":
                self.socket.send(type="job_ack", **attempt)
                result = dict(type="job_result", ok=True, text=translate(message["text"]), **attempt)
                self.results[message["attempt_id"]] = result  # until the scheduler has it
                self.socket.send(**result)
            elif message["type"] == "result_ack":
                self.results.pop(message["attempt_id"], None)

    def run(self):
        while True:
            try:
                self.connect()
                self.work()
            except (Closed, OSError) as ended:
                code = getattr(ended, "code", 1006)
            if code == REPLACED:
                raise SystemExit("another connection has this node's identity")
            self.identity = {} if code == WRONG_TOKEN else self.identity
            time.sleep(RETRY)


if __name__ == "__main__":
    Node(sys.argv[1]).run()
