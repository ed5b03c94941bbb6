"""Declaration: learns overnight how each shopper buys."""

from layers.declarations import (
    Access,
    Alarm,
    Dataset,
    Documents,
    Function,
    HotTable,
    LegalBasis,
    Measure,
    Push,
    Scale,
    Severity,
    Topic,
)

_SHARD = "shard scored"
"""The message of the log line that each finished shard leaves."""

FUNCTION = Function(
    name="scoring",
    purpose="Computes every shopper's parameters from the cold facts, and writes them where decisions read them.",
    # A shard takes a minute or so; Pub/Sub waits ten at most.
    trigger=Push(topics=("models-built", "scoring-shards"), ack_deadline_s=600),
    needs=(
        Dataset(Access.READ, in_bulk=True),
        HotTable("shoppers", Access.WRITE),
        Documents(Access.WRITE),
        Topic("scoring-shards"),
    ),
    scale=Scale(max_instances=200, cpu=1, memory="2Gi", timeout_s=600),
    measures=(
        *(
            Measure(name, _SHARD, number=name, labels=("retailer",))
            for name in ("computed", "learned", "written", "removed", "refused", "offered", "seconds")
        ),
        Measure("shards", _SHARD, labels=("retailer", "outcome")),
        Measure("fallbacks", "fell back to recency", labels=("retailer",)),
        Measure("offerless", "no campaign is offered", labels=("retailer",)),
        Measure("failures", "a shard could not be scored"),
        Measure("runs", "scored", labels=("retailer",)),
    ),
    alarms=(
        Alarm(
            "refused",
            "shards",
            Severity.ERROR,
            "shoppers' parameters break their contract",
            "These shoppers keep those of an earlier night. The log line `parameters refused` "
            "names the field and the rule; correct what computes it, then run `python -m functions.scoring run`.",
            label="outcome",
            among=("refused",),
        ),
        Alarm(
            "fell_back",
            "fallbacks",
            Severity.WARNING,
            "shoppers are scored without the models that there are",
            "They are scored by how often they buy, which predicts less well, and neither churn nor discoveries. The "
            "log line's `reason` says why: tables of another day (did modelling fail, or build late?) or models that "
            "this version of the code cannot read (fire the job `training` with ?force=true). Then run `python -m "
            "functions.scoring run --retailer ID --at` a moment of the tables' day.",
        ),
        Alarm(
            "offerless",
            "offerless",
            Severity.ERROR,
            "campaigns run and nobody is offered any",
            "Shoppers are scored without offers until the next run. The log line's `reason` says why: house rules that "
            "cannot be read (`python -m layers.campaigns rules FILE` sets them again), or a linear programme without a "
            "solution. Then run `python -m functions.scoring run`.",
        ),
        Alarm(
            "failing",
            "failures",
            Severity.WARNING,
            "a shard of a scoring run failed",
            "Pub/Sub delivers it again, twenty times; its shoppers keep earlier parameters meanwhile. The "
            "function's log says what failed. `python -m functions.scoring status` shows how far the run has come.",
        ),
    ),
    bases=(LegalBasis.CONSENT,),
)
