"""An expression is refused before a shopper meets it, in words that help the one who wrote it."""

from __future__ import annotations

import cel
import pytest

from layers.tree.expressions import InvalidExpression, compile_expression, names_in, operands
from layers.tree.samples import sample_values
from layers.tree.variables import VARIABLES, value_of

SAMPLES = [cel.Context(variables=values) for values in sample_values()]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("basket.total >", "cannot be read"),
        ("(" * 300 + "true" + ")" * 300, "cannot be read"),
        ("basket.totl > 3", "did you mean `basket.total`"),
        ("baskt.total > 3.0", "did you mean"),
        ("basket > 3", "`basket` alone is no value"),
        ('basket["total"] > 3.0', "`basket` alone is no value"),
        ("true || basket.totl > 3", "did you mean `basket.total`"),
        ("shopper.known || colour == 'red'", "`colour` is no variable"),
        ("basket.total + 2 > 3.0", "write 2.0 rather than 2"),
        ('basket.total > "5"', "an operation on values that it is not for"),
        ('shopper.known || basket.total > "5"', "an operation on values that it is not for"),
        ('false && (true || basket.total > "5")', "an operation on values that it is not for"),
        ("page.kind == 3", "compares a text with a number"),
        ('page.kind == "chekout"', "did you mean `checkout`"),
        ('"chekout" == page.kind', "did you mean `checkout`"),
        ('event.type != "AddedToCart"', "is never 'AddedToCart'"),
        ('event.type in ["AddedToBasket", "BasketPaid"]', "is never 'BasketPaid'"),
        ("basket.total", "gives a number, but here belongs true or false"),
        ('recommended[0] == "x"', "fails for some shoppers"),
        ("10 / basket.lines > 2", "fails for some shoppers"),
        ("glow(basket.total)", "Undefined"),
    ],
)
def test_what_is_wrong_is_said(source: str, says: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        compile_expression(source, SAMPLES, "a condition")
    assert says in str(refused.value)


@pytest.mark.parametrize(
    "source",
    [
        "true",
        "basket.total >= 30 && basket.missing < 15.0",
        '!(favourite_missing.id in basket.products) && favourite_missing.category == "DAIRY"',
        'size(recommended) > 0 && recommended[0] == "x"',
        'recommended.exists(p, p.startsWith("12"))',
        'page.category == "page.kinds && basket.totl"',
        "basket.lines > 0 ? basket.total / double(basket.lines) > 5.0 : false",
        'search.contains("milk") || search.matches("(?i)oat.*")',
        'event.type in ["AddedToBasket", "RemovedFromBasket"]',
        "10 / 2 > basket.lines",
    ],
)
def test_what_a_marketer_may_write(source: str) -> None:
    assert compile_expression(source, SAMPLES, "a condition")(SAMPLES[0]) in (True, False)


def test_a_value_must_be_what_its_place_takes() -> None:
    assert compile_expression("shopper.generosity * 0.5", SAMPLES, "a number")
    with pytest.raises(InvalidExpression, match="here belongs a text"):
        compile_expression("shopper.generosity", SAMPLES, "a text")
    with pytest.raises(InvalidExpression, match="list of other things"):
        compile_expression("[1, 2]", SAMPLES, "a list")


def test_operands_are_found_through_brackets_and_strings() -> None:
    assert list(operands('!(a && "x || y" == b) || (c) ? d : e.f(g && h)')) == [
        "a", '"x || y" == b', "c", "d", "e.f(g && h)",
    ]  # fmt: skip


def test_names_are_those_of_the_table_and_each_of_them_works() -> None:
    for variable in VARIABLES:
        assert names_in(variable.name) == (variable.name,)
        given = {type(value_of(values, variable.name)) for values in sample_values()}
        assert given == {
            {"bool": bool, "int": int, "double": float, "string": str, "list(string)": list}[variable.type]
        }
