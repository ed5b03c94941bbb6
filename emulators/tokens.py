"""Identity tokens as a function behind Cloud Run sees them: checked, and handed on without their signature.

Cloud Run puts `SIGNATURE_REMOVED_BY_GOOGLE` in the signature's place, so that a function cannot pass the token on. On
the laptop nobody checks anything, so whoever writes such a token is believed: the stack listens on 127.0.0.1 only.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

_VALID_S = 3600


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def handed_on_token(email: str, audience: str, issued: datetime) -> str:
    """A token of this identity for this audience, valid for an hour. Pure."""
    moment = int(issued.timestamp())
    claims = {
        "aud": audience,
        "email": email,
        "email_verified": True,
        "exp": moment + _VALID_S,
        "iat": moment,
        "iss": "https://accounts.google.com",
        "sub": "laptop",
    }
    return ".".join([_part({"alg": "RS256", "typ": "JWT"}), _part(claims), "SIGNATURE_REMOVED_BY_GOOGLE"])
