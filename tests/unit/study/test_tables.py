import dataclasses

import numpy as np
import pyarrow as pa

from summands.data.design import Design
from summands.model.distributions import HalfNormal
from summands.model.levels import Levels
from summands.study import tables

from ..studies import study_tables


def test_unknown_values_are_null_and_not_nan():
    whole, _ = study_tables()
    for name, table in whole.items():
        assert table.schema.equals(tables.SCHEMAS[name])
        for column in table.columns:
            if pa.types.is_floating(column.type):
                assert not np.isnan(column.drop_null().to_numpy()).any()
    failed = whole["estimates"].to_pandas().query("replicate == 5")
    assert failed["estimate"].isna().all()
    assert failed["truth"].notna().all()


def test_designs_are_listed_as_they_are():
    design = Design(Levels.of([1, 3]), 50, mu_sd=2.0)
    table = tables.designs({design.id: design}, 7)
    assert table.schema.equals(tables.DESIGNS)
    (row,) = table.to_pylist()
    assert row.pop("design") == design.id
    assert row.pop("replicates") == 7
    assert row.pop("levels") == [1, 3]
    assert row.pop("level_names") == ["0", "1"]
    assert row.pop("truth_number") is None
    assert row.pop("drawn_scales") is None
    assert (row.pop("layout"), row.pop("noise")) == ("uniform", "normal")
    assert row == {key: getattr(design, key) for key in row}
    assert row["mu_sd"] == 2.0
    drawn = dataclasses.replace(design, mu_sd=HalfNormal(2.0))
    (row,) = tables.designs({"d": drawn}, 7).to_pylist()
    assert row["drawn_scales"] == '{"mu_sd": {"half_normal": 2.0}}'
    assert (row["mu_sd"], row["log_sigma_sd"]) == (None, 1.0)
    fixed = dataclasses.replace(design, truth="fixed", truth_number=2, mu_sd=None)
    (row,) = tables.designs({"d": fixed}, 7).to_pylist()
    assert (row["truth_number"], row["mu_sd"]) == (2, None)
