"""Clients that call again and again: some stay to the end, some leave at a stage of their own, some meet cuts."""

import json
import random
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2

from faults.truth import HALF_ASKED, LEAVES, LEFT_BLIND, STAYS

WHOLE = "test/paced"
LONG, LONG_TOKENS = "test/long", 2000  # longer than a gateway that stops waits for its calls
# Where the upstream breaks off: before its head, before the first token, in the middle, before the end is said.
CUTS = {
    "test/reset": "reset",
    "test/silent": "hang",
    "test/cut-0": "cut-mid-stream?tokens=60&after=0&pace_ms=3",
    "test/cut-1": "cut-mid-stream?tokens=60&after=1&pace_ms=3",
    "test/cut-30": "cut-mid-stream?tokens=60&after=30&pace_ms=3",
    "test/cut-59": "cut-mid-stream?tokens=60&after=59&pace_ms=3",
    "test/late-error": "error-event-late?tokens=60&after=20&pace_ms=3",
    "test/no-finish": "done-without-finish?tokens=60&pace_ms=3",
    "test/no-done": "finish-without-done?tokens=60&pace_ms=3",
    "test/malformed": "malformed-stream?tokens=60&after=10&pace_ms=3",
}
PATIENCE = 400  # attempts at one deposit
STAGES = ("half a body", "sent", "head", 0, 1, 7, 30, 59, "finish")


def body_of(model, user):
    return {
        "user": user,  # first, so that half a body names it too
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "hello " * random.randint(1, 40)}],
    }


class Client:
    """One client; ``rig`` says where the gateway is by now, and when to stop."""

    def __init__(self, rig):
        self.rig = rig
        self._http = httpx2.Client(verify=False, timeout=10)  # a TLS context for each call would cost a core

    def close(self):
        """Close the connections."""
        self._http.close()

    def stay(self):
        """Call again and again and read to the end."""
        while not self.rig.stop.is_set():
            self.call(WHOLE)

    def stay_long(self):
        """Make one call of a minute."""
        self.call(LONG)

    def meet_cuts(self):
        """Call models whose upstream breaks off."""
        while not self.rig.stop.is_set():
            for model in CUTS:
                self.rig.faults["upstream cut"] += self.call(model)

    def leave(self):
        """Leave at each stage in turn."""
        while not self.rig.stop.is_set():
            for stage in STAGES:
                if stage in ("half a body", "sent"):
                    self.rig.faults["client gone"] += self.leave_blind(whole=stage == "sent")
                else:
                    self.rig.faults["client gone"] += self.call(WHOLE, stage)
                if self.rig.stop.is_set():
                    return

    def pay_twice(self):
        """Submit each deposit twice at once, and again until it is answered, as a client does that must not lose it."""
        number = 0
        while not self.rig.stop.is_set():
            number += 1
            reference = f"twice-{id(self)}-{number}"
            told = self.rig.truth.twice[reference] = set()
            with ThreadPoolExecutor(2) as both:
                for _ in range(PATIENCE):
                    told.update(filter(None, both.map(self.deposit, (reference, reference))))
                    if told or self.rig.over.is_set():
                        break
                    time.sleep(0.05)
            self.rig.faults["double submission"] += bool(told)
            time.sleep(0.05)

    def deposit(self, reference):
        """Pay a cent in; the transfer's id, None if nobody answered."""
        try:
            headers = {"authorization": f"Bearer {self.rig.token()}", "idempotency-key": reference}
            url = f"{self.rig.address}/api/v1/admin/accounts/acme/deposits"
            answer = self._http.post(url, json={"amount": "0.01", "reference": reference}, headers=headers)
        except (httpx2.HTTPError, OSError, ValueError):
            return None
        if answer.status_code != 201:
            self.rig.truth.refusal(f"deposit: {answer.status_code}")
            return None
        return answer.json()["id"]

    def call(self, model, leave_at=None):
        """Make one call, perhaps leaving at a number of pieces or a word; whether a gateway took it."""
        headers = {"authorization": f"Bearer {self.rig.key}"}
        url = f"{self.rig.address}/v1/chat/completions"
        seen = self.rig.truth.asked(STAYS if leave_at is None else LEAVES)
        try:
            with self._http.stream("POST", url, json=body_of(model, seen.user), headers=headers) as answer:
                if answer.status_code == 200:
                    self.rig.truth.heard(seen, answer.headers["x-request-id"])
                    self.follow(seen, answer, leave_at)
                    return True
                seen.refused = True
                self.rig.truth.refusal(json.loads(answer.read())["error"]["code"])
        except (httpx2.HTTPError, ValueError):
            pass
        time.sleep(0.1)
        return False

    def follow(self, seen, answer, leave_at):
        """Note what a stream says, as it says it."""
        if leave_at == "head":
            return
        for line in answer.iter_lines():
            if line == "data: [DONE]":
                seen.done = True
            elif line.startswith("data: "):
                event = json.loads(line[6:])
                seen.pieces += sum(bool(each["delta"].get("content")) for each in event["choices"])
                if event.get("usage"):
                    seen.charge = event["usage"]["charge_usd"]
                finished = any(each.get("finish_reason") for each in event["choices"])
                if leave_at in ("finish", seen.pieces) and (finished or leave_at != "finish"):
                    return

    def leave_blind(self, *, whole):
        """Send a body, or half of one, and close at once."""
        parts = urlsplit(self.rig.address)
        seen = self.rig.truth.asked(LEFT_BLIND if whole else HALF_ASKED)
        body = json.dumps(body_of(WHOLE, seen.user)).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {self.rig.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        try:
            with socket.create_connection((parts.hostname, parts.port), timeout=5) as connection:
                connection.sendall(head.encode() + (body if whole else body[: len(body) // 2]))
                if whole:
                    time.sleep(random.choice((0, 0.01, 0.05)))
        except OSError:
            return False
        return True
