"""A moment converts for CEL only what it must: what it answers is what CEL says of all the values."""

from __future__ import annotations

from pathlib import Path

import cel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.tree.expressions import Expression
from layers.tree.reading import read_yaml
from layers.tree.samples import sample_values
from layers.tree.variables import VARIABLES, Values, value_of
from layers.tree.walk import Moment

EXAMPLE = (Path(__file__).parents[2] / "layers" / "tree" / "examples" / "grocery_basket.yaml").read_text()
TREE = read_yaml(EXAMPLE)
EXPRESSIONS = sorted(
    {
        expression
        for place in TREE.places.values()
        for expression in (place.when, place.leave, *(value for shown in place.show for value in shown.values.values()))
        if expression is not None
    },
    key=lambda expression: expression.source,
)


@given(
    st.lists(
        st.tuples(st.sampled_from(sample_values()), st.lists(st.sampled_from(EXPRESSIONS), max_size=6)), max_size=6
    )
)
def test_one_context_through_many_moments_answers_as_a_new_one(moments: list[tuple[Values, list[Expression]]]) -> None:
    moment = Moment(TREE)
    for values, expressions in moments:
        moment.becomes(values)
        for expression in expressions:
            said = moment(expression)
            right = cel.compile(expression.source).execute(cel.Context(variables=values))
            assert (said, type(said)) == (right, type(right))


@pytest.mark.parametrize("name", [variable.name for variable in VARIABLES])
def test_a_variable_alone_is_what_cel_makes_of_it(name: str) -> None:
    """CEL is not asked then: a value that it changes on its way would be another answer."""
    for values in sample_values():
        plain, changed = value_of(values, name), cel.compile(name).execute(cel.Context(variables=values))
        assert (plain, type(plain)) == (changed, type(changed))


def test_a_word_bound_in_an_expression_may_be_a_variables_name() -> None:
    """`search` is an item of the list in the brackets and the shopper's words outside of them."""
    source = 'search != "" && recommended.exists(search, search == "product3")'
    tree = read_yaml(EXAMPLE.replace("when: order.paid", f"when: '{source}'"))
    condition = tree.places["order_paid"].when
    assert condition is not None
    for values in sample_values():
        moment = Moment(tree)
        moment.becomes(values)
        assert moment(condition) == cel.compile(source).execute(cel.Context(variables=values))
