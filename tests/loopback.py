"""Requests to what runs on this machine: no certificates, which `httpx.get` reads anew each time (22 ms of CPU), no
proxies, and a connection for each, since tests kill servers."""

from __future__ import annotations

import httpx

HTTP = httpx.Client(verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
