"""The broker inside this Python process, in a sandbox that can reach nothing.

    pip install wasmtime==50.*
    python host.py target/wasm/shelfmq.component.wasm

What the functions of the component do stands in wasm/wit/shelfmq.wit.
"""

import secrets
import sys
import time

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Record


def record(**fields):
    made = Record()
    made.__dict__.update(fields)
    return made


class Broker:
    """A broker. Answers arrive in `answers`, by ticket, at once or after a later call."""

    def __init__(self, path):
        engine = Engine()
        component = Component.from_file(engine, path)
        assert not component.type.imports(engine), "it imports nothing"
        self.store = Store(engine)
        self.instance = Linker(engine).instantiate(self.store, component)
        self.interface = self.instance.get_export_index(self.store, "shelfmq:broker/engine@0.1.0")
        self.answers = {}
        self.last_ticket = 0
        config = self.call("default-config")
        config.started = time.time_ns()
        error = self.call("start", config, secrets.randbits(64), None)
        assert error is None, error

    def call(self, name, *arguments):
        index = self.instance.get_export_index(self.store, name, self.interface)
        function = self.instance.get_func(self.store, index)
        return function(self.store, *arguments)

    def request(self, method, target, body=b"", headers=()):
        """Takes a request in, and returns its ticket."""
        path, _, query = target.partition("?")
        self.last_ticket += 1
        told = record(method=method, path=path, query=query, headers=list(headers), body=body, peer="")
        self.perform(self.call("handle", time.time_ns(), self.last_ticket, told))
        return self.last_ticket

    def wait(self, ticket):
        """The status, header fields and body that answer a request, once they are there."""
        while ticket not in self.answers:
            # Nothing else happens in this program, so that only time can bring the answer.
            due = self.call("poll-timeout")
            assert due is not None, "nobody will answer this"
            time.sleep(max(0, due - time.time_ns()) / 1e9)
            self.perform(self.call("handle-timeout", time.time_ns()))
        response = self.answers.pop(ticket)
        return response.status, dict(response.headers), response.body

    def perform(self, outputs):
        for output in outputs:
            # Nobody here asks for a stream, and there is no log to read from.
            if output.tag == "respond":
                self.answers[output.payload.ticket] = output.payload.response


def main(path):
    broker = Broker(path)
    waiting = broker.request("GET", "/sub?topic=greetings&channel=python&wait=30s")
    published = broker.request("POST", "/pub?topic=greetings", b"hello from the sandbox")
    print("published:", *broker.wait(published)[::2])
    status, headers, body = broker.wait(waiting)
    print("received:", status, body, "attempt", headers["shelf-attempts"].decode())
    receipt = headers["shelf-receipt"].decode()
    finished = broker.request("POST", f"/fin?topic=greetings&channel=python&receipt={receipt}")
    print("finished:", *broker.wait(finished)[::2])
    status, _, _ = broker.wait(broker.request("GET", "/sub?topic=greetings&channel=python&wait=100ms"))
    print("nothing more:", status)


if __name__ == "__main__":
    main(sys.argv[1])
