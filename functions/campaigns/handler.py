"""The marketer's shell: who calls, for which retailer, what became of the campaign."""

from __future__ import annotations

from datetime import UTC, datetime

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from functions.campaigns.room import Room, make
from functions.campaigns.rules import (
    BECOMES,
    MAX_BODY_BYTES,
    PATH,
    Asked,
    NoSuchPath,
    NoVersion,
    OtherMethod,
    read_question,
    refused,
    told,
)
from layers.campaigns.opening import open_budgets
from layers.campaigns.published import (
    NoSuchVersion,
    NotPublished,
    WasEnded,
    become,
    campaigns_of,
    keep_version,
    publish_version,
    rules_of,
    version_kept,
    versions_of,
)
from layers.campaigns.reading import InvalidCampaign, read_campaign_json
from layers.campaigns.reporting import report
from layers.ledger.books import LimitLowered
from layers.retailers import Retailer
from layers.shell.answers import Problem, json_answer, read_body
from layers.shell.caller import caller_of, is_listed
from layers.shell.lazily import Lazily
from layers.shell.log import failure, log

_NO_STORE = {"Cache-Control": "no-store"}

room = Lazily(make)


@functions_framework.aio.http
async def campaigns(request: Request) -> Response:
    """`/v1/campaigns` and what is below it."""
    try:
        return await answer(request, await room(), datetime.now(UTC))
    except Exception as error:
        failure("a campaign request stopped", error)
        detail = "A store could not be reached. Send the same request again: what was done by then is not done twice."
        return Problem(503, "try-again", "The request stopped before its end", detail, 5).answer(_NO_STORE)


async def answer(request: Request, room: Room, now: datetime) -> Response:
    """Every path to an answer; what a store raises passes through."""
    try:
        email = caller_of(request.headers)
        asked = _asked(request)
        retailer = room.registry.by_id.get(request.query_params.get("retailer", ""))
        if retailer is None or not is_listed(email, retailer.marketing):
            # One answer for both, so that nobody learns which retailers there are.
            raise Problem(
                403,
                "not-your-retailer",
                "This identity may not act in this retailer's name",
                "The query parameter `retailer` names none here, or the caller is not in its `marketing` list; nothing "
                "was changed. Correct it, or add the identity to the stack's configuration.",
            )
        body = await _done(request, asked, room, retailer, now)
        if asked.what not in ("list", "read", "report"):
            log("INFO", "a campaign was changed", retailer=retailer.id, campaign=asked.campaign, what=asked.what)
        return json_answer(body, headers=_NO_STORE)
    except Problem as problem:
        unknown = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
        return problem.answer(_NO_STORE | unknown)


def _asked(request: Request) -> Asked:
    try:
        return read_question(request.method, request.url.path, request.query_params)
    except NoSuchPath:
        detail = f"Campaigns are at {PATH}; an id has 2 to 48 lower-case letters, digits and _."
        raise Problem(404, "no-such-path", "There is nothing here", detail) from None
    except OtherMethod as other:
        detail = f"Use {other.allowed} on this path; nothing was changed."
        raise Problem(405, "method-not-allowed", "This method does nothing here", detail, allow=other.allowed) from None
    except NoVersion:
        detail = (
            "Say which version is to be published, `?version=`, as the answer to PUT named it; nothing was changed."
        )
        raise Problem(400, "no-version", "No version is named", detail) from None


async def _done(request: Request, asked: Asked, room: Room, retailer: Retailer, now: datetime) -> object:
    documents, id = room.documents, retailer.id
    try:
        if asked.what == "put":
            return await _put(request, asked, room, retailer, now)
        if asked.what == "publish":
            campaign = await version_kept(documents, id, asked.campaign, asked.version)
            # Before anybody may be promised anything of it; and refused, if what is promised already would not fit.
            await open_budgets(documents, retailer, campaign, now)
            new = await publish_version(documents, id, asked.campaign, asked.version, now)
            return {"campaign": asked.campaign, "version": asked.version, "state": "live", "changed": new}
        if asked.what in BECOMES:
            state = BECOMES[asked.what]
            new = await become(documents, id, asked.campaign, state, now)
            return {"campaign": asked.campaign, "state": state.value, "changed": new}
    except (NoSuchVersion, NotPublished) as error:
        raise Problem(404, "no-such-campaign", "There is no such campaign", f"{error}; nothing was changed.") from None
    except WasEnded as error:
        raise Problem(409, "was-ended", "The campaign was ended", f"{error}; nothing was changed.") from None
    except LimitLowered as error:
        raise Problem(409, "limit-lowered", "A budget cannot shrink within its period", f"{error}.") from None
    known = {one.campaign.campaign: one for one in await campaigns_of(documents, id)}
    if asked.what == "list":
        return {"campaigns": [told(one.campaign, one.version, one.state.value, ()) for one in known.values()]}
    one = known.get(asked.campaign)
    versions = await versions_of(documents, id, asked.campaign)
    if one is None and not versions:
        detail = "No campaign of this retailer has this id; `GET /v1/campaigns` names those that were published."
        raise Problem(404, "no-such-campaign", "There is no such campaign", detail)
    if asked.what == "report":
        lines = await report(documents, retailer, now, [one.campaign] if one is not None else [])
        return {"campaign": asked.campaign, "at": now, "budgets": lines}
    if one is None:
        return told(None, "", "draft", versions)
    return told(one.campaign, one.version, one.state.value, versions)


async def _put(request: Request, asked: Asked, room: Room, retailer: Retailer, now: datetime) -> object:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "content-type", "The content type is not taken", "Send application/json; nothing was kept.")
    body = await read_body(request, MAX_BODY_BYTES)
    try:
        campaign = read_campaign_json(body, await rules_of(room.documents, retailer), retailer.timezone)
        if campaign.campaign != asked.campaign:
            raise InvalidCampaign(["campaign: is not the id in the path, so it is not known which is meant"])
    except InvalidCampaign as error:
        raise Problem(
            422,
            "invalid-campaign",
            "The campaign breaks a rule",
            "Nothing was kept. `errors` names each field, the consequence and the remedy.",
            more={"errors": refused(error)},
        ) from None
    version, new = await keep_version(room.documents, retailer.id, campaign, body.decode(), now)
    return {"campaign": campaign.campaign, "version": version, "changed": new}
