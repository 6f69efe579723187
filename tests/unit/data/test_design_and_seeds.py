import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from summands.data import seeds
from summands.data.design import LONGEST_ID, Design
from summands.model.levels import Levels
from summands.model.problem import PRIORS

designs = st.builds(
    Design,
    st.lists(st.integers(1, 12), min_size=1, max_size=60).map(Levels.of),
    st.integers(1, 10**8),
    st.floats(-1e3, 1e3),
    st.floats(1e-3, 1e3),
    st.floats(-5, 5),
    st.floats(1e-3, 5),
    st.sampled_from([0.0, 1.0, 5.0]),
    st.sampled_from(["drawn", "fixed"]),
    st.sampled_from([0, 1, 12]),
)
scales = st.none() | st.sampled_from([0.5, 1.0, 5.0])
given_designs = st.builds(
    lambda number, *priors: Design(
        Levels.of([1, 2]),
        100,
        coefficients=(((0.0, 1.0),), ((1.0, float(number)), (2.0, 0.5))),
        truth="fixed",
        **dict(zip(PRIORS, priors, strict=True)),
    ),
    st.integers(0, 3),
    *[scales] * len(PRIORS),
)


def test_ids_are_readable():
    plain = Design(Levels.of([1, 3, 5]), 1000)
    assert plain.id == "levels-1-3-5_rows-1000"
    other = dataclasses.replace(plain, mu_sd=2.0, log_sigma_mean=-0.5, truth="fixed")
    assert other.id == (
        "levels-1-3-5_rows-1000_mu_sd-2_log_sigma_mean--0.5_truth-fixed"
    )


@given(designs, designs)
def test_ids_tell_designs_apart_and_make_file_names(one, other):
    assert (one.id == other.id) == (one.content == other.content)
    assert len(one.id) <= LONGEST_ID
    assert "/" not in one.id
    assert not one.id.startswith(".")


def test_each_fixed_truth_is_a_design_of_its_own():
    first = Design(Levels.of([1, 2]), 100, truth="fixed")
    assert first.id == "levels-1-2_rows-100_truth-fixed"
    third = dataclasses.replace(first, truth_number=3)
    assert third.id == "levels-1-2_rows-100_truth-fixed_truth_number-3"


@given(given_designs, given_designs)
def test_priors_that_follow_the_data_are_no_part_of_a_design(one, other):
    assert (one == other) == (one.content == other.content)
    for name in PRIORS:
        stated = getattr(one, name) is not None
        assert (name in one.content) == (name in one.id) == stated


@given(designs | given_designs)
def test_a_design_survives_its_content_as_json(design):
    content = json.loads(json.dumps(design.content))
    assert Design.from_content(content) == design


@given(designs, st.integers(0, 2**63), st.integers(0, 10**6))
def test_streams_depend_on_their_name_only(design, seed, replicate):
    def first(**changes):
        arguments = {
            "seed": seed,
            "design": design,
            "replicate": replicate,
            "purpose": "rows",
        } | changes
        return seeds.generator(**arguments).integers(2**63)

    renamed = dataclasses.replace(design, name="another_name")
    assert first() == first() == first(design=renamed)
    more_rows = dataclasses.replace(design, rows=design.rows + 1)
    for change in (
        {"seed": seed + 1},
        {"replicate": replicate + 1},
        {"replicate": None},
        {"purpose": "coefficients"},
        {"design": more_rows},
    ):
        assert first(**change) != first()


def test_a_stream_is_what_it_was():
    """Published numbers must not change: these were drawn when seeds were fixed."""
    design = Design(Levels.of([1, 2]), 1000)
    sequence = seeds.seed_sequence(20261122, design, 3, "rows")
    assert isinstance(sequence, np.random.SeedSequence)
    assert sequence.entropy == 20261122
    assert sequence.generate_state(2).tolist() == [3943265504, 1925778898]


@pytest.mark.parametrize("replicate", [0, 1, 99])
def test_integer_seeds_fit_a_signed_word(replicate):
    design = Design(Levels.of([1, 2]), 1000)
    value = seeds.integer_seed(1, design, replicate, "estimator/nutpie")
    assert 0 <= value < 2**63


def test_content_leaves_out_what_is_default():
    """So that designs keep their seeds when designs learn to differ in more."""
    plain = Design(Levels.of([1, 2]), 50)
    assert plain.content == {"levels": [1, 2], "rows": 50}
    assert dataclasses.replace(plain, mu_sd=2.0).content["mu_sd"] == 2.0
