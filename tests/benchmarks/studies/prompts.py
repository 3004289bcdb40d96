"""The prompts of the studies: for each data set a plain one and one with attributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

QUESTIONS = {
    "ABBR": "what an abbreviation stands for",
    "DESC": "what something means, or why or how it happens",
    "ENTY": "for a thing, such as an animal, a food or an invention",
    "HUM": "who someone is, or for a group of people",
    "LOC": "where something is",
    "NUM": "for a number, a date or an amount",
}
SHOWN = {
    "LOC": ("places", "Where is the Dead Sea?"),
    "HUM": ("science", "Who invented the telephone?"),
    "NUM": ("sports", "How many players are in a cricket team?"),
    "ABBR": ("computers", "What does PDF stand for?"),
    "ENTY": ("food", "What fruit is dried to make raisins?"),
    "DESC": ("the weather", "Why does it thunder?"),
}
"""One example question of each label; without them the model writes about questions."""


def shown(attributed: bool) -> str:
    """The example turns before the last one: one for each label, worded as in the condition."""
    turns = ""
    for label, (topic, question) in SHOWN.items():
        about = f"short, simple question about {topic}" if attributed else "short question"
        turns += f"--- user\nWrite a {about} that asks {QUESTIONS[label]}.\n"
        turns += f"--- assistant\n{question}\n"
    return turns + "--- user\n"


@dataclass(frozen=True)
class Task:
    """The prompts of one data set; the attributes in ``vary`` are drawn anew for each row."""

    labels: Any
    plain: str
    attributed: str
    vary: dict[str, list[str]]


TASKS = {
    "yelp": Task(
        labels=["positive", "negative"],
        plain="Write a short {{ label }} review of a restaurant in one sentence.",
        attributed="Write a {{ length }}, {{ style }}, {{ label }} review of a restaurant's "
        "{{ topic }} in one sentence.",
        vary={
            "topic": [
                "pizza", "burgers", "sushi", "breakfast", "desserts", "coffee", "waiters",
                "prices", "waiting time", "decor", "parking", "cleanliness",
            ],
            "style": ["casual", "formal", "emotional", "humorous", "matter-of-fact"],
            "length": ["very short", "short", "long"],
        },
    ),
    "trec": Task(
        labels=QUESTIONS,
        plain=shown(False) + "Write a short question that asks {{ description }}.",
        attributed=shown(True) + "Write a {{ length }}, {{ style }} question about {{ topic }} "
        "that asks {{ description }}.",
        vary={
            "topic": [
                "history", "sports", "science", "films", "music", "geography", "food", "animals",
                "health", "computers", "business", "books",
            ],
            "style": ["simple", "hard", "playful", "formal", "odd"],
            "length": ["very short", "short", "long"],
        },
    ),
}  # fmt: skip
