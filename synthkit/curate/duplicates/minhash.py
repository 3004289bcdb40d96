"""MinHash-LSH: similar texts are found without comparing all pairs.

A. Z. Broder (1997), On the resemblance and containment of documents; P. Indyk and R. Motwani
(1998), Approximate nearest neighbors, section 4.2, for the bands. MinHash only proposes the pairs
to compare; their Jaccard similarity is computed from all of their shingles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.extras import need
from synthkit.curate.duplicates.shingles import BLOCK, Hashes, Shingles, Shingling, blocks, shingles
from synthkit.data.large_texts import lengths_of, map_parts, regrouped, take
from synthkit.stats.classifier import Positions

MAX_HASHES = 1024
"""The largest number of hashes of a text."""

_CELLS = 1 << 17  # hashes in work at once: they fit into the cache of a core
_BITS = 45  # bits of a shingle's hash; the other bits of a number hold its pair
_SLOT_BITS = 25  # of the tables that find keys that may occur twice, of 5 bytes for each slot
_MIX = np.uint64(0xD6E8FEB86659FD93)
_BAND, _PAIR = 4, 300  # the cost of sorting by a band and of comparing a pair, in hashes of a text


def bands(threshold: float, recall: float, similarity: ArrayLike, n: int) -> tuple[int, int]:
    """The number of bands, and of hashes in a band, that find a pair at the threshold.

    A pair of Jaccard similarity J agrees in a band of r hashes with probability J^r, and so is
    found by b bands with probability 1 - (1 - J^r)^b. Of all (b, r) that reach ``recall`` at the
    threshold with at most :data:`MAX_HASHES` hashes, the result is the cheapest: with more hashes
    in a band, more bands are needed, but fewer dissimilar pairs agree in one.

    Parameters
    ----------
    similarity : Jaccard similarities of some random pairs.
    n : the number of texts.

    Examples
    --------
    >>> bands(0.9, 0.999, [0.0, 0.1, 0.3], 1000), bands(0.9, 0.999, [0.0, 0.1, 0.3], 1_000_000)
    ((13, 8), (27, 14))
    """
    similarity = np.asarray(similarity)
    choices = [(_bands(threshold, recall, rows), rows) for rows in range(1, MAX_HASHES + 1)]
    costs = {
        count * (rows + _BAND + _PAIR * n / 2 * float((similarity**rows).mean())): (count, rows)
        for count, rows in choices
        if count * rows <= MAX_HASHES or rows == 1
    }
    return costs[min(costs)]


def _bands(threshold: float, recall: float, rows: int) -> int:
    """The number of bands of this many hashes that reach the recall."""
    agree = threshold**rows
    if agree < 1e-6:
        return MAX_HASHES + 1
    return 1 if agree == 1 else math.ceil(math.log(1 - recall) / math.log1p(-agree))


def signatures(
    texts: Sequence[str], shingling: Shingling, banding: tuple[int, int], seed: int
) -> NDArray[np.uint64]:
    """(b, n) keys of n texts in b bands: texts with the same key agree in all hashes of the band.

    Parameters
    ----------
    banding : the number of bands, and of hashes in a band.
    """
    count, rows = banding
    draw = np.random.default_rng(seed)
    factors = draw.integers(0, 1 << 32, count * rows, dtype=np.uint32) | np.uint32(1)
    mixers = draw.integers(0, 1 << 63, rows, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    keys = np.empty((count, len(texts)), np.uint64)
    for part in blocks(texts):
        _sign(shingles(texts[part], shingling), factors, mixers, keys[:, part])
    return keys


def _sign(part: Shingles, factors: NDArray[np.uint32], mixers: Hashes, keys: Hashes) -> None:
    """Write the keys of some texts into the columns of ``keys``."""
    values = (part.values >> np.uint64(32)).astype(np.uint32)
    order = np.argsort(part.counts, kind="stable")
    sizes = part.counts[order]
    start = 0
    while start < len(order):
        # texts with similar numbers of shingles: a column for each, its last shingle repeated
        cells = sizes[start:] * np.arange(1, len(order) - start + 1)
        stop = start + max(1, int(np.searchsorted(cells, _CELLS, "right")))
        rows = order[start:stop]
        longest = int(part.counts[rows[-1]])
        at = np.minimum(np.arange(longest)[:, None], part.counts[rows] - 1)
        columns = values[at + part.starts[rows]]
        # x -> a x mod 2^32 with an odd a permutes the hashed shingles
        hashed, least = np.empty_like(columns), np.empty((len(factors), len(rows)), np.uint32)
        for factor, minimum in zip(factors, least, strict=True):
            np.multiply(columns, factor, out=hashed)
            np.minimum.reduce(hashed, axis=0, out=minimum)
        mixed = np.zeros((len(keys), len(rows)), np.uint64)
        for n, mixer in enumerate(mixers):
            mixed = (mixed ^ least[n :: len(mixers)]) * mixer
            mixed ^= mixed >> np.uint64(32)
        keys[:, rows] = mixed * mixers[0]
        start = stop


def jaccard(
    texts: Sequence[str], lengths: Positions, shingling: Shingling, a: Positions, b: Positions
) -> NDArray[np.float64]:
    """(m,) Jaccard similarities of the texts at ``a[i]`` and ``b[i]``.

    Shingles are compared by 45 bits of their hashes: for two texts with 100 shingles each, the
    probability of an error is 3e-10.

    Parameters
    ----------
    lengths : (n,) of the texts, in characters; memory is bounded by them.
    """
    ends = np.cumsum(lengths[a] + lengths[b])
    similarity = np.empty(len(a))
    start = done = 0
    while start < len(a):
        most = start + (1 << 63 - _BITS)
        stop = min(most, max(int(np.searchsorted(ends, done + BLOCK, "right")), start + 1))
        similarity[start:stop] = _jaccard(texts, shingling, a[start:stop], b[start:stop])
        start, done = stop, int(ends[stop - 1])
    return similarity


def _jaccard(
    texts: Sequence[str], shingling: Shingling, a: Positions, b: Positions
) -> NDArray[np.float64]:
    rows, at = np.unique(np.concatenate([a, b]), return_inverse=True)
    part = shingles(list(take(texts, rows)), shingling)
    counts = part.counts[at]
    ends = np.cumsum(counts)
    where = np.arange(ends[-1]) + np.repeat(part.starts[at] - ends + counts, counts)
    # one number holds the pair, the shingle, and whether it is of the second text of the pair
    pair, second = np.arange(len(at), dtype=np.uint64) % len(a), np.arange(len(at)) >= len(a)
    packed = part.values[where] >> np.uint64(64 - _BITS) << np.uint64(1)
    packed |= np.repeat((pair << np.uint64(_BITS + 1)) | second, counts)
    packed.sort()
    packed = packed[np.concatenate([[True], packed[1:] != packed[:-1]])]
    pair = (packed >> np.uint64(_BITS + 1)).astype(np.intp)
    total = np.bincount(pair, minlength=len(a))
    same = packed[1:] >> np.uint64(1) == packed[:-1] >> np.uint64(1)
    shared = np.bincount(pair[1:][same], minlength=len(a))
    return shared / (total - shared)


def representatives(
    texts: Sequence[str], shingling: Shingling, *, threshold: float, recall: float, seed: int
) -> tuple[Positions, NDArray[np.float64]]:
    """The representative of each text, which is itself if it is kept, and their Jaccard similarity.

    A text is dropped if its similarity to an earlier kept text, with which it agrees in a band,
    reaches the threshold. Texts are decided in rounds, as in G. E. Blelloch et al. (2012), Greedy
    sequential maximal independent set and matching are parallel on average: in each round the texts
    that come first in all of their buckets are kept, and texts similar to them are dropped. So the
    time is linear in the number of texts even if all of them are similar.
    """
    of, similarity = np.arange(len(texts)), np.ones(len(texts))
    if len(texts) < 2:
        return of, similarity
    lengths, rows, bucket = _proposed(texts, shingling, threshold, recall, seed)
    decided = np.zeros(len(texts), bool)
    while len(rows):
        opens = np.concatenate([[True], bucket[1:] != bucket[:-1]])
        leader = rows[np.maximum.accumulate(np.where(opens, np.arange(len(rows)), 0))]
        decided[leader] = True
        decided[rows[leader != rows]] = False  # unless they come later in another bucket
        led = decided[leader] & (leader != rows)
        pairs = np.unique(rows[led] << 32 | leader[led])
        row, first = pairs >> 32, pairs & 0xFFFFFFFF
        values = jaccard(texts, lengths, shingling, first, row)
        similar = values >= threshold
        row, at = np.unique(row[similar], return_index=True)
        of[row], similarity[row] = first[similar][at], values[similar][at]
        decided[row] = True
        left = ~decided[rows]
        rows, bucket = _shared(rows[left], bucket[left])
    return of, similarity


def links(
    texts: Sequence[str], shingling: Shingling, *, threshold: float, recall: float, seed: int
) -> tuple[Positions, Positions]:
    """Pairs of similar texts, enough to connect all that are similar, directly or by others.

    In each round the first text of each bucket is compared with those that are not connected to it
    yet, and leaves the bucket; so the time is linear where all texts are similar.
    """
    found: list[Positions] = [np.empty((2, 0), np.intp)]
    if len(texts) > 1:
        lengths, rows, bucket = _proposed(texts, shingling, threshold, recall, seed)
        group = np.arange(len(texts))
        while len(rows):
            opens = np.concatenate([[True], bucket[1:] != bucket[:-1]])
            first = np.maximum.accumulate(np.where(opens, np.arange(len(rows)), 0))
            leader, apart = rows[first], group[rows] != group[rows[first]]
            pairs = np.unique(rows[apart] << 32 | leader[apart])
            row, other = pairs >> 32, pairs & 0xFFFFFFFF
            similar = jaccard(texts, lengths, shingling, other, row) >= threshold
            if similar.any():
                found.append(np.stack([row[similar], other[similar]]))
                group = components(len(texts), *np.concatenate(found, axis=1))
            # buckets whose texts are all connected need no more comparisons
            mixed = np.zeros(len(rows), bool)
            mixed[first[apart]] = True
            left = ~opens & mixed[first]
            rows, bucket = _shared(rows[left], bucket[left])
    row, other = np.concatenate(found, axis=1)
    return row, other


def components(n: int, row: Positions, other: Positions) -> Positions:
    """(n,) the number of the group of each of n items, of which some pairs are connected.

    >>> components(4, np.array([0, 3]), np.array([2, 2])).tolist()
    [0, 1, 0, 0]
    """
    sparse = need("scipy.sparse", extra="curate", why="to connect duplicates")
    graph = need("scipy.sparse.csgraph", extra="curate", why="to connect duplicates")
    edges = sparse.csr_array((np.ones(len(row), bool), (row, other)), shape=(n, n))
    groups: Positions = graph.connected_components(edges, directed=False)[1]
    return groups


def _proposed(
    texts: Sequence[str], shingling: Shingling, threshold: float, recall: float, seed: int
) -> tuple[Positions, Positions, Positions]:
    """(n,) the length of each text, and :func:`_buckets` of texts that may be similar."""
    lengths = lengths_of(texts)
    draw, count = np.random.default_rng(seed), min(len(texts), 500 + len(texts) // 200)
    sample = draw.integers(0, len(texts), count)
    others = (sample + draw.integers(1, len(texts), count)) % len(texts)
    of_sample = jaccard(texts, lengths, shingling, sample, others)
    banding = bands(threshold, recall, of_sample, len(texts))
    sign = partial(signatures, shingling=shingling, banding=banding, seed=seed)
    return lengths, *_buckets(regrouped(texts, map_parts(texts, sign)))


def _buckets(keys: Iterable[Hashes]) -> tuple[Positions, Positions]:
    """The texts that share a key with another, in order, and the number of their bucket.

    Parameters
    ----------
    keys : (n,) of each band.
    """
    rows, buckets, count = [], [], 0
    seen = np.empty(0, np.uint64)
    for band in keys:
        low = (np.uint64(1) << np.uint64(len(band).bit_length())) - np.uint64(1)
        at = _candidates(band)
        # one number holds the key and the position, so that the texts of a bucket are in order
        packed = (band[at] & ~low) | at.astype(np.uint64)
        packed.sort()
        key = packed & ~low
        number = np.cumsum(np.concatenate([[True], key[1:] != key[:-1]])[: len(key)]) + count
        shared, bucket = _shared((packed & low).astype(np.intp), number)
        shared, bucket, seen = _unseen(shared, bucket, seen)
        rows.append(shared)
        buckets.append(bucket)
        count += len(at)
    return np.concatenate(rows), np.concatenate(buckets)


def _unseen(
    rows: Positions, bucket: Positions, seen: Hashes
) -> tuple[Positions, Positions, Hashes]:
    """The rows without those of buckets that an earlier band has as well, and all buckets so far.

    Similar texts agree in most bands, so that most buckets come again and again.

    Parameters
    ----------
    seen : sorted hashes of buckets.
    """
    if not len(rows):
        return rows, bucket, seen
    opens = np.concatenate([[True], bucket[1:] != bucket[:-1]])
    mixed = (rows.astype(np.uint64) + np.uint64(1)) * _MIX
    mixed ^= mixed >> np.uint64(32)
    sums = np.add.reduceat(mixed * _MIX, np.flatnonzero(opens))
    known = seen[np.minimum(np.searchsorted(seen, sums), len(seen) - 1)] if len(seen) else ~sums
    new = known != sums
    left = new[np.cumsum(opens) - 1]
    return rows[left], bucket[left], np.sort(np.concatenate([seen, sums[new]]))


def _candidates(band: Hashes) -> Positions:
    """The texts whose key may occur twice; the others need not be sorted."""
    bits = min(len(band).bit_length() + 3, _SLOT_BITS)
    slot = (band >> np.uint64(64 - bits)).astype(np.intp)
    last = np.empty(1 << bits, np.int32 if len(band) < 1 << 31 else np.int64)
    at = np.arange(len(band), dtype=last.dtype)
    last[slot] = at
    hit = np.zeros(1 << bits, bool)
    hit[slot[last[slot] != at]] = True
    return np.flatnonzero(hit[slot])


def _shared(rows: Positions, bucket: Positions) -> tuple[Positions, Positions]:
    """The rows, and their buckets, that are not alone in their bucket."""
    same = bucket[1:] == bucket[:-1]
    shared = np.zeros(len(rows), bool)
    shared[1:] |= same
    shared[:-1] |= same
    return rows[shared], bucket[shared]


def similar_pairs(
    texts: Sequence[str], shingling: Shingling, chosen: Sequence[int], threshold: float
) -> Iterator[tuple[int, int, float]]:
    """Pairs of a chosen text and another whose Jaccard similarity reaches the threshold.

    All pairs are compared by all of their shingles, as a product of sparse matrices.
    """
    sparse = need("scipy.sparse", extra="curate", why="to compare texts by brute force")
    row, hashes, sizes = _distinct([texts[at] for at in chosen], shingling)
    vocabulary, column = np.unique(hashes, return_inverse=True)
    ones = np.ones(len(row), np.int32)
    of_chosen = sparse.csr_array((ones, (row, column)), shape=(len(chosen), len(vocabulary)))
    for part in blocks(texts):
        row, values, others = _distinct(texts[part], shingling)
        column = np.searchsorted(vocabulary, values)
        known = vocabulary[np.minimum(column, len(vocabulary) - 1)] == values
        cells = np.ones(int(known.sum()), np.int32), (row[known], column[known])
        of_part = sparse.csr_array(cells, shape=(len(others), len(vocabulary))).T
        for first in range(0, len(chosen), 32):
            shared = (of_chosen[first : first + 32] @ of_part).tocoo()
            i, j = shared.row + first, shared.col
            similarity = shared.data / (sizes[i] + others[j] - shared.data)
            for k in np.flatnonzero(similarity >= threshold).tolist():
                if chosen[i[k]] != part.start + j[k]:
                    yield chosen[i[k]], int(part.start + j[k]), float(similarity[k])


def _distinct(texts: Sequence[str], shingling: Shingling) -> tuple[Positions, Hashes, Positions]:
    """The text and the hash of each distinct shingle of a text, and their number in each text."""
    part = shingles(texts, shingling)
    ends = np.cumsum(part.counts)
    at = np.arange(ends[-1]) + np.repeat(part.starts - ends + part.counts, part.counts)
    row, values = np.repeat(np.arange(len(texts)), part.counts), part.values[at]
    order = np.lexsort((values, row))
    row, values = row[order], values[order]
    new = np.concatenate([[True], (row[1:] != row[:-1]) | (values[1:] != values[:-1])])
    return row[new], values[new], np.bincount(row[new], minlength=len(texts))
