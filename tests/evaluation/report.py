"""The report as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.evaluation.judging import PUBLISHED

_PUBLISHED_CATEGORIES = (
    "Published for 2017-12-01: logistic regression .855, boosted trees .857, of a set of pairs that is not told. The"
    " same two on plain counts stand beside ours on each set."
)
_METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")


def _with(interval: Sequence[float]) -> str:
    return f"{interval[0]:.4f} [{interval[1]:.4f}, {interval[2]:.4f}]"


def _signed(interval: Sequence[float]) -> str:
    return f"{interval[0]:+.4f} [{interval[1]:+.4f}, {interval[2]:+.4f}]"


def _list_tables(found: Mapping[str, Any]) -> list[str]:
    lines = [f"| model ({found['households']:,} households) | " + " | ".join(_METRICS) + " |", "|---" * 5 + "|"]
    for name, metrics in found["models"].items():
        lines.append(f"| {name} | " + " | ".join(_with(metrics[metric]) for metric in _METRICS) + " |")
    lines += ["", "| ours minus | " + " | ".join(_METRICS) + " |", "|---" * 5 + "|"]
    for name, metrics in found["ours_minus"].items():
        lines.append(f"| {name} | " + " | ".join(_signed(metrics[metric]) for metric in _METRICS) + " |")
    return lines


def _outcome_table(found: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{found['rows']:,} rows of {found['households']:,} households; it happened in {found['share']:.1%}. Log-loss"
        f" {found['log_loss']:.4f} (of the mean alone {found['log_loss_of_the_mean']:.4f}), calibration error"
        f" {found['calibration_error']:.4f}.",
        "",
        "| model | AUC | ours minus |",
        "|---|---|---|",
    ]
    for name, interval in found["auc"].items():
        more = found["ours_minus"].get(name)
        lines.append(f"| {name} | {_with(interval)} | {_signed(more) if more else ''} |")
    bins = " ".join(f"{predicted:.3f}→{happened:.3f}" for _, predicted, happened in found["reliability"])
    return [*lines, "", f"Predicted → happened, by tenths of the rows: {bins}"]


def markdown(report: Mapping[str, Any]) -> str:
    parts = [
        f"# Predictions for {report['cut']}",
        "",
        f"Learnt from purchases before {report['cut']} alone; training days {', '.join(report['training_days'])}."
        " Square brackets: 95 % intervals, households drawn again.",
        "",
    ]
    parts += [text for fact in report["unknown"] for text in (f"**{fact}**", "")]
    if "baskets" in report:
        parts += ["## Next basket, fast-moving consumer goods", "", *_list_tables(report["baskets"]), ""]
        if report["cut"] == "2017-12-01":
            parts += ["Published for this cut (recall@10, NDCG@10):", ""]
            parts += [f"- {name}: {recall:.3f}, {ndcg:.3f}" for name, (recall, ndcg) in PUBLISHED.items()] + [""]
        parts += ["## Next basket, every department", "", *_list_tables(report["baskets_every_department"]), ""]
        parts += ["## Discovery: first-ever purchases only", "", *_list_tables(report["discoveries"]), ""]
        if report["churn"]:
            parts += ["## No purchase in 28 days", ""]
        for name, found in report["churn"].items():
            parts += [f"### {name}", "", *_outcome_table(found), ""]
        if report["categories"]:
            parts += ["## A purchase in the category in 14 days", "", _PUBLISHED_CATEGORIES, ""]
        for name, found in report["categories"].items():
            parts += [f"### {name}", "", *_outcome_table(found), ""]
    scoring = report["cost"]["scoring"]
    parts += [
        "## Cost",
        "",
        f"- {scoring['shoppers']:,} shoppers scored, reading included: {scoring['seconds']:.1f} s,"
        f" {scoring['cpu_s']:.1f} CPU s, {1000 * scoring['cpu_s'] / max(1, scoring['shoppers']):.2f} CPU ms a shopper",
        *(f"- {name}: {value}" for name, value in report["cost"].items() if name != "scoring"),
        "",
    ]
    return "\n".join(parts)
