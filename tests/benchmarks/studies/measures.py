"""The measures of one table of a study."""

from __future__ import annotations

from statistics import mean

from synthkit.evaluate.metrics.embedding_diversity import aps, vendi
from synthkit.evaluate.metrics.faithfulness import label_accuracy
from synthkit.evaluate.metrics.lexical_diversity import distinct_n, vocabulary
from synthkit.evaluate.metrics.self_bleu import self_bleu
from synthkit.evaluate.metrics.tstr import tstr


def measured(table, real, test, oracle, tools):
    """Measure -> value, for a table as large as ``real``; ``oracle`` predicts the labels."""
    texts, labels = table["text"].tolist(), table["label"].tolist()
    vectors = tools.embed(texts)
    right = dict(zip(table["id"], oracle.predict(texts), strict=True))
    return {
        "words per text": mean(len(text.split()) for text in texts),
        "intra-label APS": aps(vectors, labels=labels, pairs="intra").value,
        "inter-label APS": aps(vectors, labels=labels, pairs="inter").value,
        "Vendi": vendi(vectors).value,
        "vocabulary": vocabulary(texts).value,
        "distinct-2": distinct_n(texts, 2).value,
        "self-BLEU": self_bleu(texts).value,
        "label accuracy": label_accuracy(table, "label", right).score.value,
        "TSTR accuracy": tstr(table, real, test, learner=tools.learner).synthetic.value,
    }
