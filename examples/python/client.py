"""Translates lines: a client of the scheduler, written from docs/protocol.md. Usage: client.py HOST:PORT < LINES"""

import os
import random
import sys
import threading
import time
import uuid

from wire import Closed, WebSocket

REPLACED, WRONG_TOKEN = 4001, 4003


class Client:
    def __init__(self, address):
        self.address, self.lock, self.socket = address, threading.RLock(), None
        self.session, self.settled, self.jobs, self.all_said = None, 0, {}, False

    def say(self):
        for index, line in enumerate(sys.stdin):
            job = dict(type="submit", job_id=f"job-{uuid.uuid4().hex}", utterance_index=index, text=line.rstrip("\n"))
            job.update(src_lang="zh", tgt_lang="en", trace_id=uuid.uuid4().hex[:8])
            with self.lock:
                self.jobs[job["job_id"]] = job
                self.send(job)
        with self.lock:
            self.all_said = True
            self.leave()

    def send(self, message):
        try:
            if self.socket:
                self.socket.send(**message)
        except OSError:
            pass  # the receiving thread sees it as well, and what has no outcome is sent again

    def leave(self):
        if self.all_said and not self.jobs:
            self.send({"type": "session_close"})

    def connect(self):
        socket = WebSocket(self.address, "/ws/session", os.environ.get("HALFOPEN_SESSION_KEY"))
        resume = {"resume": {**self.session, "last_seq": self.settled}} if self.session else {}
        socket.send(type="session_init", client_version="python 1.0", **resume)
        hello = socket.receive()
        with self.lock:
            self.session = {name: hello[name] for name in ("session_id", "token", "epoch")}
            self.settled = self.settled if hello["resumed"] else 0
            for job in self.jobs.values():
                socket.send(**job)  # harmless where it is known already
            self.socket = socket
            self.leave()

    def hear(self):
        """Until the session is over."""
        while True:
            message = self.socket.receive()
            if message["type"] == "session_close" and self.all_said:
                return
            if message["type"] in ("result", "job_failed"):
                with self.lock:
                    job = self.jobs.pop(message["job_id"], None)
                    if job:
                        answer = message["text"] if message["type"] == "result" else f"! {message['code']}"
                        print(f"{job['utterance_index'] + 1}\t{answer}", flush=True)
                    self.settled = max(self.settled, message["seq"])
                    self.send({"type": "ack", "upto_seq": self.settled})
                    self.leave()

    def run(self):
        threading.Thread(target=self.say, daemon=True).start()
        attempt = 0
        while True:
            try:
                self.connect()
                attempt = 0
                return self.hear()
            except (Closed, OSError) as ended:
                code = getattr(ended, "code", 1006)
            with self.lock:
                self.socket = None
            if code == REPLACED:
                raise SystemExit("another connection has the session")
            self.session = None if code == WRONG_TOKEN else self.session
            time.sleep(min(30, 2**attempt) * random.uniform(1.0, 1.1))
            attempt += 1


if __name__ == "__main__":
    Client(sys.argv[1]).run()
