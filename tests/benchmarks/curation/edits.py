"""Edited copies of texts: another letter case, one word changed, or paraphrase-like.

No model is used. A paraphrase here has words replaced from a small list, contractions written out,
function words added or dropped, and clauses swapped. It is nearer to its source than many
paraphrases by a person or a model.
"""

from __future__ import annotations

import re

_PAIRS = """
good/great bad/terrible food/meal place/spot service/staff nice/pleasant delicious/tasty
amazing/wonderful awful/horrible happy/glad price/cost cheap/inexpensive wait/stand very/really
always/every_time never/not_once love/adore loved/adored hate/dislike like/enjoy liked/enjoyed
best/finest worst/poorest disappointed/let_down friendly/kind slow/sluggish fresh/new big/large
small/little fast/quick restaurant/eatery definitely/certainly waitress/server waiter/server
came/arrived went/headed got/received get/receive ordered/asked_for think/believe maybe/perhaps
probably/likely also/as_well many/a_lot_of started/began ended/finished told/informed said/stated
tell/let_know call/phone send/forward sorry/apologies buy/purchase bought/purchased need/require
want/would_like wants/would_like help/assist see/notice today/this_day tomorrow/the_next_day
tonight/this_evening now/at_once soon/shortly later/afterwards home/the_house work/the_office
free/at_no_charge win/gain won/gained prize/award claim/collect reply/answer message/note
please/kindly money/cash friend/pal happen/occur happened/occurred start/begin finish/end
ask/inquire give/hand gave/handed make/produce new/produced show/display city/town
country/nation film/movie invented/devised inventor/creator wrote/authored author/writer
company/firm called/named famous/well-known largest/biggest first/earliest begin/start
located/situated died/passed_away killed/slain built/constructed person/individual car/automobile
children/kids mean/stand_for difference/distinction origin/source people/persons
how_many/what_number_of how_much/what_amount_of where_is/in_what_place_is what_year/in_which_year
what_is/tell_me_what_is who_is/tell_me_who_is what_are/tell_me_what_are who_was/which_person_was
what_kind/which_sort why_do/for_what_reason_do why_is/for_what_reason_is when_did/at_what_time_did
"""
_SHORT = """
don't/do_not doesn't/does_not didn't/did_not can't/cannot won't/will_not isn't/is_not wasn't/was_not
it's/it_is i'm/i_am i've/i_have i'll/i_will you're/you_are we're/we_are they're/they_are
that's/that_is there's/there_is couldn't/could_not wouldn't/would_not haven't/have_not
what's/what_is
"""
_DROPPED = re.compile(r"\b(?:just|really|very|so|that|quite|even|the|a|an) ", re.IGNORECASE)
_ADDED = ("Honestly, ", "Well, ", "So ", "Actually, ")
_JOINED = re.compile(r"^(\S+(?: \S+){2,}?),? (and|but|because|so|,) (\S+(?: \S+){2,}?)(\s?[.!?]*)$")


def _pairs(words):
    pairs = [tuple(pair.replace("_", " ").split("/")) for pair in words.split()]
    return {**{b: a for a, b in pairs}, **dict(pairs)}


_WORDS = _pairs(_PAIRS)
_FULL = _pairs(_SHORT)


def recased(text, rng):
    """The text in another letter case and with other white space: equal after normalization."""
    text = [text.upper, text.lower, text.title][rng.integers(3)]()
    words = text.split(" ")
    words[rng.integers(len(words))] += ["  ", "\u00a0", "\t"][rng.integers(3)]
    return " ".join(words) + " "


def one_word(text, words, rng):
    """The text with one word, drawn at random, replaced by another word of the same table."""
    places = [m.span() for m in re.finditer(r"\w+", text)]
    start, end = places[rng.integers(len(places))]
    new = text[start:end]
    while new.casefold() == text[start:end].casefold():
        new = words[rng.integers(len(words))]
    return text[:start] + new + text[end:]


def paraphrase(text, rng):
    """A paraphrase-like copy, or ``None`` where fewer than three edits are possible."""
    new, edits = text.strip(), 0
    for replacements, most in ((_FULL, 2), (_WORDS, 3)):
        here = [
            old for old in replacements if re.search(rf"\b{re.escape(old)}\b", new, re.IGNORECASE)
        ]
        rng.shuffle(here)
        for old in here[:most]:
            after = re.sub(
                rf"\b{re.escape(old)}\b", replacements[old], new, count=1, flags=re.IGNORECASE
            )
            edits += after != new
            new = after
    after = _JOINED.sub(lambda m: _swapped(m, new), new)
    edits += after != new
    new = after
    after = _DROPPED.sub("", new, count=1)
    edits += after != new
    if edits < 2:
        return None
    new = after if rng.random() < 0.7 else after[:1].lower() + after[1:]
    if new[:1].islower():
        new, edits = _ADDED[rng.integers(len(_ADDED))] + new, edits + 1
    return new if edits >= 3 and new.casefold() != text.casefold() else None


def _swapped(match, text):
    first, how, second, end = match.groups()
    if not first.startswith("I"):
        first = first[:1].lower() + first[1:]
    if how == "because":
        return f"Because {second}, {first}{end}"
    return f"{second[:1].upper()}{second[1:]}{',' if how == ',' else f', {how}'} {first}{end}"
