"""One retailer's training: reads the rows of each question, trains, and hands back what was found. Blocking."""

from __future__ import annotations

from datetime import datetime

from functions.training.room import Room
from layers.learning import QUESTIONS, TrainedModel, TrainedModels
from layers.learning.reading import LEARNT_FROM, training_columns, training_rows
from layers.learning.training import train
from layers.shell.log import log

SEED = 1


def learn(room: Room, dataset: str, version: str, day: str, now: datetime) -> TrainedModels:
    """One question after the other, so that the rows of one are in memory at a time.

    Raises:
        NothingToLearn, LookupError, ValueError: the models were not run with training days, or nothing happened.
    """
    models: dict[str, TrainedModel] = {}
    for question in QUESTIONS:
        batches = list(room.rows.batches(dataset, question.table, training_columns(question), LEARNT_FROM))
        rows = training_rows(question, batches)
        del batches
        models[question.name] = train(question, rows, SEED, room.effort)
        log("INFO", "question learnt", question=question.name, **models[question.name].figures)
    return TrainedModels(version, now, day, models)
