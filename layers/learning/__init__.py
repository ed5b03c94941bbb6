"""What shoppers will do next: the features, how models are trained on them, and what a trained model predicts.

Pure: columns of numbers go in, probabilities come out. `features` is the one list of what a model knows; the dbt
contract, the arrays and BigQuery ML's statements follow from it. Does not own: how features are computed
(`functions/modelling/project/models/features`), when models are trained and where they are kept (`functions/training`),
what a probability is worth (`layers.offers`).
"""

from layers.learning.columns import Columns, columns_of
from layers.learning.features import CATEGORIES, CHURN, DISCOVERIES, PRODUCTS, QUESTIONS, Feature, Question
from layers.learning.trained import Reason, TrainedModel, TrainedModels, UnreadableModels

__all__ = [
    "CATEGORIES",
    "CHURN",
    "DISCOVERIES",
    "PRODUCTS",
    "QUESTIONS",
    "Columns",
    "Feature",
    "Question",
    "Reason",
    "TrainedModel",
    "TrainedModels",
    "UnreadableModels",
    "columns_of",
]
