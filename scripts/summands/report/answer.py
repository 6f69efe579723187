"""The last words of a run that took an observed table apart: its answer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from summands.data.table_data import Counts
from summands.model.levels import Levels
from summands.study.study import Study

WIDTH = 88

# Contributors of a level that are named.
NAMED = 3

# From this probability on a contributor is the answer to a question.
CLEAR = 0.8

QUESTIONS = {
    "highest_mu": "highest",
    "lowest_mu": "lowest",
    "noisiest": "noisiest",
    "quietest": "quietest",
}


def main_estimator(tables: Mapping[str, pa.Table]) -> str | None:
    """Choose the estimator whose answer is told in words.

    The first that converged of those with the most to say: with ranks of the noise of
    contributors, or of their means, or with components.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        The final tables.

    Returns
    -------
    str or None
        None where no estimator converged.
    """
    fits, ranking = tables["fits"].to_pandas(), tables["ranking"].to_pandas()
    good = list(fits.loc[fits["converged"], "estimator"])
    for some in (
        ranking.loc[ranking["question"] == "noisiest", "estimator"],
        ranking["estimator"],
        tables["components"]["estimator"].to_pylist(),
        good,
    ):
        chosen = [name for name in good if name in set(some)]
        if chosen:
            return chosen[0]
    return None


def text(
    study: Study,
    levels: Levels,
    counts: Counts,
    tables: Mapping[str, pa.Table],
) -> str:
    """Write the summary of a table that was taken apart.

    Parameters
    ----------
    study : Study
    levels : Levels
    counts : Counts
    tables : mapping of str to pyarrow.Table
        The final tables.

    Returns
    -------
    str
        What was read; the share of each level; which contributors shift the values,
        and which are noisy; what the data cannot tell; how the fits went.
    """
    frames = {name: table.to_pandas() for name, table in tables.items()}
    parts = [_read(study, levels, counts), _components(frames["components"])]
    name = main_estimator(tables)
    if name is not None:
        parts += [_contributors(name, frames, study), _gauge(name, frames, study)]
    parts += [_comparison(frames["comparison"]), _warnings(frames["cautions"]["text"])]
    parts += [_fits(frames["fits"]), _tables(study, tables)]
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
    ranking, estimates = frames["ranking"], frames["estimates"]
    ranking = ranking[ranking["estimator"] == name]
    mine = estimates[estimates["estimator"] == name]
    if ranking.empty:
        return _without_draws(name, mine, study)
    mu, contrast, scatter = (
        frame.set_index(["level", "contributor"])
        for frame in (
            mine[mine["parameter"] == "mu"],
            mine[mine["parameter"] == "variance_contrast"],
            frames["scatter"][frames["scatter"]["estimator"] == name],
        )
    )
    of_interest = mine["parameter"].isin(["mu", "variance_contrast"])
    by_prior = set(mine.loc[of_interest & ~mine["identified"], "level"])
    components = frames["components"]
    perhaps_0 = (components["estimator"] == name) & (components["sd_lower_95"] == 0)
    doubtful = set(components.loc[perhaps_0, "level"])
    lines = [f"Which contributors shift the values, and which are noisy ({name}):"]
    for level, of_level in ranking.groupby("level", sort=True):
        title = of_level["level_name"].iloc[0]
        if level in by_prior:
            title += ", as far as the prior tells it from other levels"
        lines.append(f"  {title}")
        none_shifts = level in doubtful
        for question, word in QUESTIONS.items():
            asked = of_level[of_level["question"] == question]
            if asked.empty:
                continue
            asked = asked.sort_values("probability", ascending=False, kind="stable")
            best = asked.iloc[0]
            of_means = question.endswith("_mu")
            if best["probability"] < CLEAR or (of_means and none_shifts):
                some = ", ".join(
                    f"{row.label} {row.probability:.2f}"
                    for row in _rows(asked.head(NAMED))
                )
                why = ", perhaps none is" * (of_means and none_shifts)
                lines.append(f"    {word:<9} not clear{why}: {some}")
                continue
            key = (level, best["contributor"])
            said = (
                f"    {word:<9} {best['label']}, probability {best['probability']:.2f}"
            )
            if of_means:
                lines.append(f"{said}: {_with_ends(mu.loc[key], 'estimate', '+.4g')}")
                continue
            lines += [
                f"{said}: its variance less the mean of its level "
                + _with_ends(contrast.loc[key], "estimate", "+.4g"),
                f"{'':14}rows with it scatter with sd "
                + _with_ends(scatter.loc[key], "sd")
                + f", with the others {scatter.loc[key]['others_sd']:.4g}",
            ]
    return lines


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


def _with_ends(row: Any, column: str, form: str = ".4g") -> str:
    """Write a number with the ends of its 95 % interval."""
    prefix = "" if column == "estimate" else f"{column}_"
    ends = f"{row[prefix + 'lower_95']:.4g} to {row[prefix + 'upper_95']:.4g}"
    return f"{row[column]:{form}} ({ends})"


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


def _warnings(warnings: pd.Series) -> list[str]:
    if warnings.empty:
        return []
    return [
        "What to beware of:",
        *(
            line
            for sentence in warnings
            for line in textwrap.wrap(
                sentence, WIDTH, initial_indent="  - ", subsequent_indent="    "
            )
        ),
    ]


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
