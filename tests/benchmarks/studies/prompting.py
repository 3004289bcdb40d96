"""Plain and attributed prompts, compared on the measures of AttrPrompt (arXiv 2306.15895)."""

from __future__ import annotations

from tests.benchmarks.curation.report import Section, table
from tests.benchmarks.studies.rows import USUAL
from tests.benchmarks.studies.seeds import cell, verdict

EXPECTED = {
    "words per text": "",
    "intra-label APS": "lower",
    "inter-label APS": "",
    "vocabulary": "higher",
    "distinct-2": "higher, by us",
    "self-BLEU": "lower, by us",
    "label accuracy": "",
    "TSTR accuracy": "higher",
}
"""Expected direction of the attributed rows; "by us" is not in the paper."""

NOTE = """
"Expected" is what AttrPrompt (arXiv 2306.15895) found with ChatGPT on sets with many labels; "by
us" extends the expectation to measures that are not in that paper.

- Words: holds on both sets. On Yelp part of it is length, because attributed reviews are a tenth
  longer.
- Embeddings: holds on Yelp, where APS falls within labels and between them, within them two thirds
  of the way to real rows. On TREC there is no significant difference: plain questions are already
  as far apart as real ones.
- Accuracy of a classifier: no significant gain on either set, +1 point on Yelp and -2 on TREC.
  Rows that are more diverse did not train a better classifier here. The labels may be the reason:
  by the oracle, fewer attributed rows have the label that was asked for, though that difference is
  not significant either.

On TREC the oracle, right on .84 of real questions, gives only .43 of the generated ones the label
that was asked for: this model often does not follow the prompt.
"""


def study(gathered, tools):
    lines = []
    for name, seeds in gathered.items():
        plain, attributed = (
            [seed.measures(seed.tables[way, USUAL], tools) for seed in seeds]
            for way in ("plain", "attributed")
        )
        real = [seed.measures_of_real(tools) for seed in seeds]
        for measure, expected in EXPECTED.items():
            before, after, reference = (
                [found[measure] for found in results] for results in (plain, attributed, real)
            )
            gaps = [b - a for a, b in zip(before, after, strict=True)]
            lines.append(
                [name, measure, cell(before), cell(after), cell(gaps, signed=True), expected,
                 verdict(gaps, expected.partition(",")[0]), cell(reference)]
            )  # fmt: skip
    head = ["data", "measure", "plain", "attributed", "attributed - plain", "expected", "found"]
    return Section("Plain and attributed prompts", table([*head, "real rows"], lines), NOTE)
