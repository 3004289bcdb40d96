"""Temperature against diversity and right labels, as in Chung et al. (arXiv 2306.04140)."""

from __future__ import annotations

from tests.benchmarks.curation.report import Section, table
from tests.benchmarks.studies.rows import TEMPERATURES
from tests.benchmarks.studies.seeds import cell, verdict

EXPECTED = {
    "Vendi": "higher",
    "distinct-2": "higher",
    "self-BLEU": "lower",
    "words per text": "",
    "label accuracy": "lower",
    "TSTR accuracy": "",
}
"""Expected direction at a higher temperature."""

NOTE = """
Expected by Chung et al. (arXiv 2306.04140): a higher temperature gives more diversity and fewer
right labels. Both hold on both sets. The mean accuracy of the classifier is highest in between, at
0.7 and 1.0 on Yelp and at 0.7 on TREC; there is no significant difference between the lowest and
the highest temperature.

At 1.3 rows are more diverse than real ones by each measure, and many are hardly English: read
diversity together with faithfulness. The oracle was trained on real rows, so its verdicts at 1.3
are also about texts that are unlike its training rows.
"""


def study(gathered, tools):
    lines, differences = [], []
    coldest, *_, warmest = TEMPERATURES
    for name, seeds in gathered.items():
        found = {
            warmth: [seed.measures(seed.tables["plain", warmth], tools) for seed in seeds]
            for warmth in TEMPERATURES
        }
        found["real rows"] = [seed.measures_of_real(tools) for seed in seeds]
        for warmth, by_seed in found.items():
            cells = [cell([values[measure] for values in by_seed]) for measure in EXPECTED]
            lines.append([name, str(warmth), *cells])
        for measure, expected in EXPECTED.items():
            pairs = zip(found[coldest], found[warmest], strict=True)
            gaps = [b[measure] - a[measure] for a, b in pairs]
            what = f"{measure}, {warmest} - {coldest}"
            differences.append(
                [name, what, expected, cell(gaps, signed=True), verdict(gaps, expected)]
            )
    found = table(["data", "measure", "expected", "difference", "found"], differences)
    return Section("Temperature", [*table(["data", "temperature", *EXPECTED], lines), *found], NOTE)
