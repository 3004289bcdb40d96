"""MinHash-LSH: which texts may be alike, found without comparing all with all, and how alike.

A. Z. Broder (1997), On the resemblance and containment of documents; P. Indyk and R. Motwani
(1998), Approximate nearest neighbors, section 4.2, for the bands. Here each candidate is compared
by its shingles, so MinHash decides only which pairs are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.extras import need
from synthkit.curate.duplicates.shingles import (
    BLOCK,
    Hashes,
    Positions,
    Shape,
    Shingles,
    blocks,
    shingles,
)

MAX_HASHES = 1024

_CELLS = 1 << 17  # hashes at work: what fits the cache of a core
_BITS = 45  # of a shingle, where the pair that it is of takes the others
_BAND, _PAIR = 4, 300  # what it takes to sort by a band, and to compare a pair, in hashes of a text


def bands(threshold: float, recall: float, likeness: ArrayLike, n: int) -> tuple[int, int]:
    """How many bands of how many hashes find a pair at the threshold with this probability.

    A pair of Jaccard J agrees in a band of r hashes with probability J^r, and so is found in b
    bands with 1 - (1 - J^r)^b. Of all that reach ``recall`` at the threshold with
    :data:`MAX_HASHES` or fewer it is the one with the least work: the more hashes in a band, the
    more bands it takes, but the fewer unlike pairs agree in one.

    Parameters
    ----------
    likeness : Jaccard coefficients of some pairs, drawn at random.
    n : how many texts there are.

    Examples
    --------
    >>> bands(0.9, 0.999, [0.0, 0.1, 0.3], 1000), bands(0.9, 0.999, [0.0, 0.1, 0.3], 1_000_000)
    ((13, 8), (27, 14))
    """
    likeness = np.asarray(likeness)
    choices = [(_bands(threshold, recall, rows), rows) for rows in range(1, MAX_HASHES + 1)]
    works = {
        count * (rows + _BAND + _PAIR * n / 2 * float((likeness**rows).mean())): (count, rows)
        for count, rows in choices
        if count * rows <= MAX_HASHES or rows == 1
    }
    return works[min(works)]


def _bands(threshold: float, recall: float, rows: int) -> int:
    agree = threshold**rows
    if agree < 1e-6:
        return MAX_HASHES + 1
    return 1 if agree == 1 else math.ceil(math.log(1 - recall) / math.log1p(-agree))


def signatures(
    texts: Sequence[str], shape: Shape, shares: tuple[int, int], seed: int
) -> NDArray[np.uint64]:
    """(b, n) keys: two texts with one key in a row agree in that band."""
    count, rows = shares
    draw = np.random.default_rng(seed)
    factors = draw.integers(0, 1 << 32, count * rows, dtype=np.uint32) | np.uint32(1)
    mixers = draw.integers(0, 1 << 63, rows, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    keys = np.empty((count, len(texts)), np.uint64)
    for part in blocks(texts):
        _sign(shingles(texts[part], shape), factors, mixers, keys[:, part])
    return keys


def _sign(held: Shingles, factors: NDArray[np.uint32], mixers: Hashes, keys: Hashes) -> None:
    values = (held.values >> np.uint64(32)).astype(np.uint32)
    order = np.argsort(held.counts, kind="stable")
    sizes = held.counts[order]
    start = 0
    while start < len(order):
        # texts with about as many shingles, side by side: a column for each, the last one repeated
        cells = sizes[start:] * np.arange(1, len(order) - start + 1)
        stop = start + max(1, int(np.searchsorted(cells, _CELLS, "right")))
        rows = order[start:stop]
        longest = int(held.counts[rows[-1]])
        at = np.minimum(np.arange(longest)[:, None], held.counts[rows] - 1)
        columns = values[at + held.starts[rows]]
        # x -> a x mod 2^32 with an odd a puts the hashed shingles in another order
        hashed, least = np.empty_like(columns), np.empty((len(factors), len(rows)), np.uint32)
        for factor, found in zip(factors, least, strict=True):
            np.multiply(columns, factor, out=hashed)
            np.minimum.reduce(hashed, axis=0, out=found)
        made = np.zeros((len(keys), len(rows)), np.uint64)
        for n, mixer in enumerate(mixers):
            made = (made ^ least[n :: len(mixers)]) * mixer
            made ^= made >> np.uint64(32)
        keys[:, rows] = made * mixers[0]
        start = stop


def jaccard(
    texts: Sequence[str], lengths: Positions, shape: Shape, a: Positions, b: Positions
) -> NDArray[np.float64]:
    """(m,) Jaccard coefficients of the shingles of the texts at ``a[i]`` and ``b[i]``.

    ``lengths`` are those of the texts, by which they are worked on in parts.

    Shingles are compared by 45 bits of their hashes: of two with 100 each, a chance of 3e-10 to be
    off.
    """
    ends = np.cumsum(lengths[a] + lengths[b])
    made = np.empty(len(a))
    start = done = 0
    while start < len(a):
        most = start + (1 << 63 - _BITS)
        stop = min(most, max(int(np.searchsorted(ends, done + BLOCK, "right")), start + 1))
        made[start:stop] = _jaccard(texts, shape, a[start:stop], b[start:stop])
        start, done = stop, int(ends[stop - 1])
    return made


def _jaccard(texts: Sequence[str], shape: Shape, a: Positions, b: Positions) -> NDArray[np.float64]:
    rows, at = np.unique(np.concatenate([a, b]), return_inverse=True)
    held = shingles([texts[row] for row in rows], shape)
    counts = held.counts[at]
    ends = np.cumsum(counts)
    where = np.arange(ends[-1]) + np.repeat(held.starts[at] - ends + counts, counts)
    # in the bits of one number: the pair, the shingle, and whether it is of the pair's second text
    pair, second = np.arange(len(at), dtype=np.uint64) % len(a), np.arange(len(at)) >= len(a)
    packed = held.values[where] >> np.uint64(64 - _BITS) << np.uint64(1)
    packed |= np.repeat((pair << np.uint64(_BITS + 1)) | second, counts)
    packed.sort()
    packed = packed[np.concatenate([[True], packed[1:] != packed[:-1]])]
    pair = (packed >> np.uint64(_BITS + 1)).astype(np.intp)
    total = np.bincount(pair, minlength=len(a))
    same = packed[1:] >> np.uint64(1) == packed[:-1] >> np.uint64(1)
    shared = np.bincount(pair[1:][same], minlength=len(a))
    return shared / (total - shared)


def representatives(
    texts: Sequence[str],
    shape: Shape,
    *,
    threshold: float,
    recall: float,
    seed: int,
) -> tuple[Positions, NDArray[np.float64]]:
    """For each text which one stands for it, itself if it stays, and their Jaccard coefficient.

    A text stays unless it is as like as the threshold to one before it that stays, of those that
    share a band with it. Texts are decided on in rounds, as in G. E. Blelloch et al. (2012), Greedy
    sequential maximal independent set and matching are parallel on average: in each round those
    that stand first in all of their buckets stay, and what is like them goes. So the work grows
    with the number of texts even where all of them are alike.
    """
    of, likeness = np.arange(len(texts)), np.ones(len(texts))
    if len(texts) < 2:
        return of, likeness
    lengths = np.fromiter(map(len, texts), np.intp, len(texts))
    draw, count = np.random.default_rng(seed), min(len(texts), 500 + len(texts) // 200)
    some = draw.integers(0, len(texts), count)
    others = (some + draw.integers(1, len(texts), count)) % len(texts)
    drawn = jaccard(texts, lengths, shape, some, others)
    shares = bands(threshold, recall, drawn, len(texts))
    rows, bucket = _buckets(signatures(texts, shape, shares, seed))
    decided = np.zeros(len(texts), bool)
    while len(rows):
        opens = np.concatenate([[True], bucket[1:] != bucket[:-1]])
        leader = rows[np.maximum.accumulate(np.where(opens, np.arange(len(rows)), 0))]
        decided[leader] = True
        decided[rows[leader != rows]] = False  # but those that are second somewhere
        led = decided[leader] & (leader != rows)
        pairs = np.unique(rows[led] << 32 | leader[led])
        row, first = pairs >> 32, pairs & 0xFFFFFFFF
        found = jaccard(texts, lengths, shape, first, row)
        alike = found >= threshold
        row, at = np.unique(row[alike], return_index=True)
        of[row], likeness[row] = first[alike][at], found[alike][at]
        decided[row] = True
        left = ~decided[rows]
        rows, bucket = _shared(rows[left], bucket[left])
    return of, likeness


def _buckets(keys: Hashes) -> tuple[Positions, Positions]:
    """Which texts share a key with another, in order, and the number of the bucket they share."""
    bits = np.uint64(keys.shape[1].bit_length())
    low = (np.uint64(1) << bits) - np.uint64(1)
    rows, buckets, count = [], [], 0
    for band in keys:
        at = _suspects(band)
        # key and position in one number, so that a bucket's texts come in order
        packed = (band[at] & ~low) | at.astype(np.uint64)
        packed.sort()
        key = packed & ~low
        number = np.cumsum(np.concatenate([[True], key[1:] != key[:-1]])[: len(key)]) + count
        kept, bucket = _shared((packed & low).astype(np.intp), number)
        rows.append(kept)
        buckets.append(bucket)
        count += len(at)
    return np.concatenate(rows), np.concatenate(buckets)


def _suspects(band: Hashes) -> Positions:
    """Those whose key may be that of another: most are not worth sorting."""
    bits = len(band).bit_length() + 3
    slot = (band >> np.uint64(64 - bits)).astype(np.intp)
    last = np.empty(1 << bits, np.int32 if len(band) < 1 << 31 else np.int64)
    at = np.arange(len(band), dtype=last.dtype)
    last[slot] = at
    hit = np.zeros(1 << bits, bool)
    hit[slot[last[slot] != at]] = True
    return np.flatnonzero(hit[slot])


def _shared(rows: Positions, bucket: Positions) -> tuple[Positions, Positions]:
    """Those of them that are not alone in their bucket."""
    same = bucket[1:] == bucket[:-1]
    shared = np.zeros(len(rows), bool)
    shared[1:] |= same
    shared[:-1] |= same
    return rows[shared], bucket[shared]


def compare(
    texts: Sequence[str], shape: Shape, chosen: Sequence[int], threshold: float
) -> Iterator[tuple[int, int, float]]:
    """The pairs of a chosen text and any other with this Jaccard coefficient or more.

    All are compared by all of their shingles, as a product of sparse matrices.
    """
    sparse = need("scipy.sparse", extra="curate", why="to compare texts by brute force")
    row, asked, sizes = _sets([texts[at] for at in chosen], shape)
    vocabulary, column = np.unique(asked, return_inverse=True)
    ones = np.ones(len(row), np.int32)
    wanted = sparse.csr_array((ones, (row, column)), shape=(len(chosen), len(vocabulary)))
    for part in blocks(texts):
        row, values, others = _sets(texts[part], shape)
        column = np.searchsorted(vocabulary, values)
        known = vocabulary[np.minimum(column, len(vocabulary) - 1)] == values
        cells = np.ones(int(known.sum()), np.int32), (row[known], column[known])
        held = sparse.csr_array(cells, shape=(len(others), len(vocabulary))).T
        for first in range(0, len(chosen), 32):
            shared = (wanted[first : first + 32] @ held).tocoo()
            i, j = shared.row + first, shared.col
            found = shared.data / (sizes[i] + others[j] - shared.data)
            for k in np.flatnonzero(found >= threshold).tolist():
                if chosen[i[k]] != part.start + j[k]:
                    yield chosen[i[k]], int(part.start + j[k]), float(found[k])


def _sets(texts: Sequence[str], shape: Shape) -> tuple[Positions, Hashes, Positions]:
    """The text and the hash of each different shingle of a text, and how many each text has."""
    held = shingles(texts, shape)
    ends = np.cumsum(held.counts)
    at = np.arange(ends[-1]) + np.repeat(held.starts - ends + held.counts, held.counts)
    row, values = np.repeat(np.arange(len(texts)), held.counts), held.values[at]
    order = np.lexsort((values, row))
    row, values = row[order], values[order]
    new = np.concatenate([[True], (row[1:] != row[:-1]) | (values[1:] != values[:-1])])
    return row[new], values[new], np.bincount(row[new], minlength=len(texts))
