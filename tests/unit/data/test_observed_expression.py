"""Filters: what they keep is what Python keeps, and nothing else passes."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summands.data.expression import ExpressionError, Filter

ROWS = {
    "day": [1, 2, 3, 9, 10, None],
    "site": ["A", "B", "it's", 'say "B"', "東京", None],
    "a b": [0.5, -1.0, 2.0, 1e6, None, 3.0],
    "good": [True, False, True, None, False, True],
}
TABLE = pa.table(ROWS)


def kept(text: str, table: pa.Table = TABLE) -> list[int]:
    types = {field.name: field.type for field in table.schema}
    expression = Filter(text).expression(types)
    found = ds.dataset(table).scanner(columns={"kept": expression}).to_table()["kept"]
    return np.flatnonzero(found.fill_null(False).to_numpy()).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("day < 10", [0, 1, 2, 3]),
        ("day <= 3 and site == 'B'", [1]),
        ("1 < day <= 9", [1, 2, 3]),
        ("day != 2", [0, 2, 3, 4]),
        ("not day == 2", [0, 2, 3, 4]),
        ("not day > 2", [0, 1]),
        ("site in ['A', 'B']", [0, 1]),
        ("site not in ['A', 'B']", [2, 3, 4]),
        ("day in [1, 2.5, -3]", [0]),
        ("day in (1, 9)", [0, 3]),
        ("good", [0, 2, 5]),
        ("not good", [1, 4]),
        ("good == false", [1, 4]),
        ("good == True and day > 1", [2]),
        ("`a b` > 0", [0, 2, 3, 5]),
        ("`a b` + day > 2 * (day - 1)", [0, 2, 3]),
        ("day / 2 == 1.5", [2]),
        ("-day < -9", [4]),
        ('site == "it\'s"', [2]),
        ("site == 'say \"B\"'", [3]),
        ("site == '東京' or `a b` == 3", [4, 5]),
        ("'東京' == site and day > 1", [4]),
        ("  day < 10\n  and day > 2 ", [2, 3]),
        ("day < 99999999999999999999", [0, 1, 2, 3, 4]),
        ("day / 0 > 1e300", [0, 1, 2, 3, 4]),
        ("(day < 2 or day > 9) and not (site == 'A')", [4]),
    ],
)
def test_filters_keep(text, rows):
    assert kept(text) == rows


def test_all_kinds_of_columns_are_compared():
    table = pa.table(
        {
            "date": pa.array([datetime.date(2024, 1, day) for day in (1, 2, 3)]),
            "time": pa.array(
                [datetime.datetime(2024, 1, 1, hour) for hour in (0, 1, 2)],
                pa.timestamp("ns"),
            ),
            "zoned": pa.array(
                [datetime.datetime(2024, 1, 1, hour) for hour in (0, 1, 2)],
                pa.timestamp("us", "Europe/Berlin"),
            ),
            "price": pa.array([decimal.Decimal(text) for text in ("0.1", "1", "2.5")]),
            "nothing": pa.nulls(3),
            "small": pa.array([1, 2, 3], pa.uint8()),
            "half": pa.array(np.array([1, 2, 3], np.float16)),
        }
    )
    assert kept("date >= '2024-01-02'", table) == [1, 2]
    assert kept("date in ['2024-01-01', '2024-01-03']", table) == [0, 2]
    assert kept("time < '2024-01-01 01:30:00'", table) == [0, 1]
    assert kept("zoned < '2024-01-01 01:30:00'", table) == [0, 1]
    assert kept("zoned < '2024-01-01 01:30:00+01:00'", table) == [0]
    assert kept("price > 0.5", table) == [1, 2]
    assert kept("nothing == 1 or nothing == 'a' or small == 2", table) == [1]
    assert kept("small - 2 < 0", table) == [0]
    assert kept("half * 2 == 4", table) == [1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "character 1"),
        ("day <", "cannot be read at character"),
        ("day = 1", 'write "=="'),
        ("(day < 1", "cannot be read at character 1"),
        ("a b > 1", "between backquotes"),
        ("`a b > 1", "` at character 1 is never closed"),
        ("site == 'A", "' at character 9 is never closed"),
        ("`` > 1", "`` at character 1 is no name"),
        ("day > 1 # few", "# at character 9"),
        ("open('x')", "open('x') at character 1 is not in the language"),
        ("__import__('os').system('x') == 0", "there are no functions"),
        ("day.real > 1", "day.real at character 1"),
        ("day[0] > 1", "day[0] at character 1"),
        ("(lambda: day)() > 1", "not in the language"),
        ("[d for d in day] == 1", "not in the language"),
        ("(d := day) > 1", "not in the language"),
        ("day if good else 1", "not in the language"),
        ("day == f'{day}'", "not in the language"),
        ("site == b'A'", "neither a number nor text"),
        ("day == 1j", "neither a number nor text"),
        ("day == None", "neither a number nor text"),
        ("day == ...", "neither a number nor text"),
        ("day < 1e999", "too large"),
        ("day < 2 & good", 'not in the language of filters; write "and"'),
        ("good and ~good", 'write "not"'),
        ("good and day ** 2 > 1", "day ** 2 at character 10 is not in the language"),
        ("day is 2", 'write "=="'),
        ("day in site", "is no list"),
        ("day in []", "is no list"),
        ("day in [day]", "neither a number nor text"),
        ("1 < day in [2]", "chains"),
        ("site in ['A' 'B']", "not one text in quotes"),
        ("site == r'A'", "not one text in quotes"),
        ("1 < 2", "names no column"),
        ("true", "names no column"),
        ("not " * 200 + "good", "deep"),
        ("(" * 3000 + "good" + ")" * 3000, ""),
        ("day > " + "1" * 10_000, "longer than"),
        ("day\0 > 1", ""),
    ],
)
def test_what_is_not_in_the_language_is_refused(text, said):
    with pytest.raises(ExpressionError) as refused:
        Filter(text)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("day == 'x'", "'x' at character 8 is text, but is compared with the column"),
        ("'x' == day", "'x' at character 1 is text"),
        ("day == '1'", "without quotes"),
        ("site == 1", "write it in quotes, '1'"),
        ("1 < day < 'x'", "'x' at character 11"),
        ("site in ['A', 2]", "2 at character 15 is a number"),
        ("day == site", "cannot be compared"),
        ("day", "compare it with something"),
        ("day + 1", "compare it with something"),
        ("day > 1 and site", "site at character 13 is the column"),
        ("site + 'x' == 'Ax'", "only numbers"),
        ("good + 1 > 1", "only numbers"),
        ("good > false", "truths do not have"),
        ("good == 1", "1 at character 9 is a number"),
        ("東京 == 1 and day == 'x'", "'x' at character 20"),
    ],
)
def test_what_does_not_fit_the_columns_is_refused(text, said):
    types = {field.name: field.type for field in TABLE.schema} | {"東京": pa.int64()}
    with pytest.raises(ExpressionError) as refused:
        Filter(text).expression(types)
    assert said in str(refused.value)


def test_times_that_are_none_are_refused():
    with pytest.raises(ExpressionError, match="'tomorrow' at character 8 is no time"):
        Filter("when < 'tomorrow'").expression({"when": pa.date32()})
    with pytest.raises(ExpressionError, match="write times in quotes"):
        Filter("when < 2024").expression({"when": pa.date32()})


def test_names_are_those_of_the_file():
    """Python takes some letters for others; a column's name is not changed."""
    assert Filter("ﬁeld > 1 and field < 2").columns == ("field", "ﬁeld")
    assert Filter("`true` > 1").columns == ("true",)
    assert Filter("`class` > 1 and `a.b` < `a b`").columns == ("a b", "a.b", "class")


def test_long_lists_are_no_deep_ones():
    listed = ", ".join(map(str, range(2, 1500)))
    assert kept(f"day in [{listed}]") == [1, 2, 3, 4]


numbers = st.integers(-3, 12).map(str)
comparisons = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["day", "`a b`", "day + `a b`", "-day * 2"]),
        st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
        numbers,
    ),
    st.builds("day in [{}, {}]".format, numbers, numbers),
    st.sampled_from(["site == 'A'", "site != 'B'", "good", "site not in ['A']"]),
)
filters = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)


@given(filters)
def test_complete_rows_are_kept_as_python_keeps_them(text):
    complete = TABLE.filter(pa.array([True, True, True, False, False, False]))
    expected = [
        number
        for number, row in enumerate(complete.to_pylist())
        if eval(text.replace("`a b`", "a_b"), {}, row | {"a_b": row["a b"]})
    ]
    assert kept(text, complete) == expected
