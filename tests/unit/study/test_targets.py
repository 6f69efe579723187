"""The key `plan` of a study file."""

import json

import pytest

from summands.study import rows, study, targets
from summands.study.validation import StudyError

WIDTH = {"parameter": "mu", "width_95": 0.5}


def document(*wanted, verify=True, **grid):
    return {
        "study": "s",
        "seed": 3,
        "grid": {"levels": [[1, 2], [1, 3]], "layout": ["balanced"], **grid},
        "plan": {"targets": list(wanted) or [WIDTH], "verify": verify},
        "estimators": {"least_squares": {}},
    }


def refused(given) -> str:
    with pytest.raises(StudyError) as caught:
        study.load(given)
    return str(caught.value)


def test_designs_have_the_rows_that_targets_take():
    other = {"parameter": "mu", "detection": 0.8, "shift": 1}
    found = study.load(document(WIDTH, other))
    assert len(found.plan) == 4
    assert len(found.designs) == 4
    for one in found.plan:
        made = found.designs[one.design.id]
        assert made.rows == one.needed.rows
        assert f"rows-{made.rows}" in made.id
    off = [design for design in found.designs.values() if "one_off" in design.id]
    assert len(off) == 2


def test_without_verification_there_are_numbers_and_no_designs():
    found = study.load(document(verify=False))
    assert len(found.plan) == 2
    assert not found.designs


def test_a_target_that_is_given_twice_is_one_design():
    found = study.load(document(WIDTH, WIDTH))
    assert len(found.plan) == 4
    assert len(found.designs) == 2


def test_the_resolved_study_gives_the_same():
    once = study.load(document())
    again = study.load(once.resolved)
    assert again.designs == once.designs
    assert again.plan == once.plan


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"parameter": "mu"}, "plan.targets[0]: wants nothing; say one of width_95"),
        (WIDTH | {"top_rate": 0.9}, "wants width_95 and top_rate; say one of"),
        ({"parameter": "mu", "detection": 0.8}, "as `shift: 0.5`"),
        ({"parameter": "mu", "detection": 0.8, "noise": 2}, "as `shift: 0.5`"),
        ({"parameter": "variance_contrast", "detection": 0.8}, "as `noise: 2`"),
        (WIDTH | {"shift": 1}, "plan.targets[0].shift: is of detection"),
        ({"parameter": "sigma", "width_95": 1}, "plan.targets[0].parameter"),
        ({"parameter": "mu", "top_rate": 1.5}, "plan.targets[0].top_rate"),
        (
            {"parameter": "mu", "detection": 0.8, "shift": 1, "level": 7},
            "one_off.level 7",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(wanted, message):
    assert message in refused(document(wanted))


def test_rows_are_given_or_planned():
    assert "take grid.rows away" in refused(document(rows=[100]))
    without = document()
    del without["plan"]
    assert "grid.rows: missing" in refused(without)


def test_numbers_are_remembered_and_what_is_broken_is_worked_out_again(tmp_path):
    first = study.load(document(), memory=tmp_path)
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    changed = json.loads(kept[0].read_text()) | {"rows": 77}
    kept[0].write_text(json.dumps(changed))
    kept[1].write_text("{")
    again = study.load(document(), memory=tmp_path)
    assert 77 in [one.needed.rows for one in again.plan]
    assert sum(a == b for a, b in zip(first.plan, again.plan, strict=True)) == 1


def test_a_plan_is_told_a_line_each():
    found = study.load(
        document(WIDTH, {"parameter": "mu", "width_95": 1e-9}, levels=[[1, 2]])
    )
    _, first, second = rows.told(found.plan)
    assert first.split()[0] == f"{found.plan[0].needed.rows:,}"
    assert first.endswith("mu width_95 0.5, levels-1-2_layout-balanced")
    assert "more than 1,000,000,000 rows" in second


def test_targets_say_what_they_are():
    (one,) = targets.read(
        {"targets": [{"parameter": "mu", "detection": 0.8, "shift": 1, "level": 1}]}
    )
    assert str(one) == "mu detection 0.8 of shift 1 at level 1"
