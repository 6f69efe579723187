"""The last words of a run that took an observed table apart: its answer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa

from summands.data.table_data import Counts
from summands.model.levels import Levels
from summands.report import findings, seal
from summands.study.study import Study

WIDTH = 88


def text(
    study: Study,
    levels: Levels,
    counts: Counts,
    tables: Mapping[str, pa.Table],
    checked: Mapping[str, pa.Table] = MappingProxyType({}),
) -> str:
    """Write the summary of a table that was taken apart.

    Parameters
    ----------
    study : Study
    levels : Levels
    counts : Counts
    tables : mapping of str to pyarrow.Table
        The final tables.
    checked : mapping of str to pyarrow.Table, optional
        Those of a check.

    Returns
    -------
    str
        What was read; the share of each level; which contributors shift the values,
        and which are noisy; whether that would be found again; what the data cannot
        tell; how the fits went.
    """
    frames = {name: table.to_pandas() for name, table in tables.items()}
    parts = [_read(study, levels, counts), _components(frames["components"])]
    name = findings.main_estimator(frames)
    if name is not None:
        parts += [_contributors(name, frames, study), _gauge(name, frames, study)]
    held = {table: found.to_pandas() for table, found in checked.items()}
    parts += [_comparison(frames["comparison"]), _check(name, frames | held, study)]
    parts += [_warnings(frames["cautions"]["text"])]
    parts += [_fits(frames["fits"]), _tables(study, {**tables, **checked})]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples()


def _read(study: Study, levels: Levels, counts: Counts) -> list[str]:
    assert study.observed is not None
    sizes = ", ".join(
        f"{name} ({size:,})"
        for name, size in zip(levels.names[1:], levels.sizes[1:], strict=True)
    )
    lines = [
        f"Study {study.name}: {counts.rows:,} rows of {study.observed.source.value}; "
        f"levels {sizes}"
    ]
    if counts.filtered:
        lines.append(f"  left out by the filter: {_count(counts.filtered, 'row')}")
    if counts.dropped_rows:
        missing = ", ".join(f"{name} {n:,}" for name, n in counts.dropped.items())
        lines.append(
            f"  left out for want of a value or a label: "
            f"{_count(counts.dropped_rows, 'row')} ({missing})"
        )
    return lines


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def _components(found: pd.DataFrame) -> list[str]:
    if found.empty:
        return []
    width = max(12, *found["component"].str.len())
    lines = [
        "How much of the variation each level owns, as variance of the population that "
        "its",
        "contributors come from:",
    ]
    for name, mine in found.groupby("estimator", sort=False):
        lines.append(f"  {name}")
        for row in _rows(mine):
            share = "" if pd.isna(row.share) else f"{100 * row.share:5.1f} %"
            if pd.notna(row.share_lower_95):
                ends = (
                    f"{100 * row.share_lower_95:.1f} to {100 * row.share_upper_95:.1f}"
                )
                share += f" ({ends})"
            sd = f"sd {row.sd:.4g}" if pd.notna(row.sd) else "not determined"
            if pd.notna(row.sd_lower_95):
                sd += f" ({row.sd_lower_95:.4g} to {row.sd_upper_95:.4g})"
            lines.append(f"    {row.component:<{width}}{share:<26}{sd}")
    return lines


def _contributors(
    name: str, frames: Mapping[str, pd.DataFrame], study: Study
) -> list[str]:
    standings = findings.standings(name, frames)
    if not standings:
        estimates = frames["estimates"]
        return _without_draws(name, estimates[estimates["estimator"] == name], study)
    lines = [f"Which contributors shift the values, and which are noisy ({name}):"]
    for _, of_level in groupby(standings, lambda one: one.level):
        mine = list(of_level)
        title = mine[0].level_name
        if mine[0].by_prior:
            title += ", as far as the prior tells it from other levels"
        lines.append(f"  {title}")
        for one in mine:
            lines += _standing(one)
    return lines


def _standing(one: findings.Standing) -> list[str]:
    word = f"    {findings.QUESTIONS[one.question]:<9}"
    if not one.clear:
        some = ", ".join(f"{label} {share:.2f}" for label, share in one.likeliest)
        why = ", perhaps none is" * one.doubtful
        return [f"{word} not clear{why}: {some}"]
    said = f"{word} {one.label}, probability {one.probability:.2f}: "
    if one.scatter is None or one.others is None:
        return [said + _with_ends(one.value, "+.4g")]
    return [
        f"{said}its variance less the mean of its level "
        + _with_ends(one.value, "+.4g"),
        f"{'':14}rows with it scatter with sd {_with_ends(one.scatter)}, with the "
        f"others {one.others.estimate:.4g}",
    ]


def _without_draws(name: str, estimates: pd.DataFrame, study: Study) -> list[str]:
    sampling = any(entry.module.SAMPLES for entry in study.estimators.values())
    mu = estimates[(estimates["parameter"] == "mu") & (estimates["level"] > 0)]
    open_levels = mu.loc[mu["estimate"].isna(), "level_name"].unique()
    said = (
        "Which contributors shift the values, and which are noisy: estimators with "
        f"draws say how probable that is, and "
        f"{'none has converged' if sampling else 'this study has none (nutpie is one)'}"
    )
    if mu["estimate"].notna().any():
        said += f"; the means of {name} are in shrinkage.parquet"
    if len(open_levels):
        said += f"; the data alone do not determine those of {', '.join(open_levels)}"
    return textwrap.wrap(said + ".", WIDTH)


def _with_ends(number: findings.Number, form: str = ".4g") -> str:
    """Write a number with the ends of its 95 % interval."""
    return f"{number.estimate:{form}} ({number.lower:.4g} to {number.upper:.4g})"


def _gauge(name: str, frames: Mapping[str, pd.DataFrame], study: Study) -> list[str]:
    found = frames.get("gauge")
    if found is None or found[found["estimator"] == name].empty:
        return []
    mine = found[found["estimator"] == name]
    lines = [f"Measurement-system analysis ({name}):"]
    for row in _rows(mine):
        share = f"{row.study_variation:5.1f} % of the total sd"
        if pd.notna(row.study_variation_lower_95):
            low, high = row.study_variation_lower_95, row.study_variation_upper_95
            share += f" ({low:.1f} to {high:.1f})"
        if pd.notna(row.tolerance_share):
            share += f", {row.tolerance_share:.1f} % of the tolerance"
        lines.append(f"    {row.source:<17}sd {row.sd:<11.4g}{share}")
    best = mine.loc[mine["ndc"].notna()].iloc[0]
    categories = f"    distinct categories: {best['ndc']:.1f}"
    if pd.notna(best["ndc_lower_95"]):
        categories += f" ({best['ndc_lower_95']:.1f} to {best['ndc_upper_95']:.1f})"
    lines.append(categories)
    assert study.observed is not None
    assert study.observed.gauge is not None
    others = [level.name for level in study.observed.source.levels]
    others.remove(study.observed.gauge.part)
    lines.append(f"    reproducibility is that of {', '.join(others)} together")
    return lines


def _comparison(found: pd.DataFrame) -> list[str]:
    if len(found) < 2:
        return []
    lines = ["Which variant predicts rows it has not seen best (leave one out):"]
    for row in _rows(found):
        line = f"    {row.estimator:<22}elpd {row.elpd_loo:.1f}"
        if row.difference:
            line += f", {row.difference:.1f} from the best (se {row.difference_se:.1f})"
        if row.pareto_k_over_0_7:
            few = _count(row.pareto_k_over_0_7, "row")
            line += f"; of {few} the estimate is not sure (Pareto k over 0.7)"
        lines.append(line)
    return lines


def _check(name: str | None, frames: findings.Frames, study: Study) -> list[str]:
    told = seal.sentences(name, frames, study)
    return _listed("Whether it would be found again:", (one.text for one in told))


def _warnings(warnings: pd.Series) -> list[str]:
    return _listed("What to beware of:", warnings)


def _listed(title: str, sentences: Iterable[str]) -> list[str]:
    lines = [
        line
        for sentence in sentences
        for line in textwrap.wrap(
            sentence, WIDTH, initial_indent="  - ", subsequent_indent="    "
        )
    ]
    return [title, *lines] if lines else []


def _fits(fits: pd.DataFrame) -> list[str]:
    return [
        f"{'estimator':<22}{'converged':>11}{'seconds':>10}",
        *(
            f"{row.estimator:<22}{'yes' if row.converged else 'no':>11}"
            f"{row.seconds:>10.2f}"
            for row in _rows(fits)
        ),
    ]


def _tables(study: Study, tables: Mapping[str, pa.Table]) -> list[str]:
    return [
        f"Tables in results/{study.name}/:",
        *(
            f"  {name + '.parquet':<22}{_count(len(table), 'row')}"
            for name, table in tables.items()
        ),
    ]
