"""The questions and their features, as the facts declare them: `layers.facts.questions`."""

from layers.facts.questions import (
    CATEGORIES,
    CHURN,
    DISCOVERIES,
    PRODUCTS,
    QUESTIONS,
    Feature,
    Learner,
    Question,
    question,
)

__all__ = [
    "CATEGORIES",
    "CHURN",
    "DISCOVERIES",
    "PRODUCTS",
    "QUESTIONS",
    "Feature",
    "Learner",
    "Question",
    "question",
]
