"""What an instance holds of the dead letters: messages until their lease ends, and the turn at sweeping them.

A killed one holds both for some eighteen seconds, and everybody else waits: in a run whose kills took ten minutes all
stood still two dozen times. So time is helped along after most of them (`Place.lets_go`).
"""

from __future__ import annotations

import threading
from typing import Any

from google.cloud.firestore_v1.types import firestore

from layers.stores.pubsub.messages import AcknowledgeRequest, ModifyAckDeadlineRequest, PullRequest, PullResponse

_TURN = "/turns/dead-letters"


class Grip:
    """Told of each call that was answered, in bytes.

    Attributes:
        turn: the full name of the document that says whose turn it is; empty until it was this instance's.
        holder: by which name it is; empty when it was given back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, set[str]] = {}
        self.turn = self.holder = ""

    def messages(self) -> dict[str, list[str]]:
        """Handles of what is taken, by subscription."""
        with self._lock:
            return {subscription: sorted(handles) for subscription, handles in self._taken.items() if handles}

    def hears(self, method: str, request: bytes, answer: bytes) -> None:
        if method == "Pull":
            pulled = PullResponse.FromString(answer).received_messages
            with self._lock:
                taken = self._taken.setdefault(PullRequest.FromString(request).subscription, set())
                taken.update(each.ack_id for each in pulled)
        elif method == "Acknowledge":
            self._lets_go(AcknowledgeRequest.FromString(request))
        elif method == "ModifyAckDeadline":
            modified = ModifyAckDeadlineRequest.FromString(request)
            if not modified.ack_deadline_seconds:
                self._lets_go(modified)
        elif method == "Commit":
            for write in firestore.CommitRequest.deserialize(request).writes:
                if write.update.name.endswith(_TURN):
                    self.turn, self.holder = write.update.name, write.update.fields["holder"].string_value

    def _lets_go(self, request: Any) -> None:
        with self._lock:
            self._taken.get(request.subscription, set()).difference_update(request.ack_ids)
