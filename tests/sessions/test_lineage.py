from __future__ import annotations

from synthkit.sessions.lineage import Edge, edges, layers
from synthkit.sessions.named_tables import NamedTable


def lineage(*tables: NamedTable) -> list[str]:
    return [str(edge) for edge in edges(tables)]


def test_a_sample_of_a_filtered_table_comes_from_the_filtered_one() -> None:
    whole = NamedTable("whole", list("abcdef"), born=1)
    good = NamedTable("good", list("abcd"), born=2)
    few = NamedTable("few", list("ab"), born=3)
    assert edges([few, good, whole]) == [
        Edge("whole", "good", "part of", 4),
        Edge("good", "few", "part of", 2),
    ]


def test_a_union_comes_from_both_of_its_parts() -> None:
    tables = [NamedTable("a", ["1", "2"], born=1), NamedTable("b", ["3"], born=2)]
    union = NamedTable("all", ["1", "2", "3"], born=3)
    assert lineage(*tables, union) == ["2 rows of all are part of a", "1 row of all is part of b"]


def test_generated_rows_come_from_the_smallest_table_with_their_parents() -> None:
    whole = NamedTable("whole", list("abcd"), born=1)
    good = NamedTable("good", list("ab"), born=2)
    answers = NamedTable("answers", ["x", "y"], ["a", "b"], born=3)
    later = NamedTable("later", list("ab"), born=4)
    assert Edge("good", "answers", "generated from", 2) in edges([whole, good, answers, later])


def test_a_filtered_part_of_generated_rows_is_not_generated() -> None:
    seeds = NamedTable("seeds", ["a", "b"], born=1)
    made = NamedTable("made", ["x", "y"], ["a", "b"], born=2)
    part = NamedTable("part", ["y"], ["b"], born=3)
    assert lineage(seeds, made, part)[1:] == ["1 row of part is part of made"]


def test_a_source_that_was_generated_later_is_still_the_source() -> None:
    made = NamedTable("made", ["x"], ["a"], born=1)
    assert lineage(made, NamedTable("seeds", ["a"], born=2)) == [
        "1 row of made is generated from seeds"
    ]


def test_rows_without_ids_and_unrelated_tables_have_no_edges() -> None:
    assert edges([]) == []
    assert (
        edges([NamedTable("a", [None, "1"], born=1), NamedTable("b", [None, "2"], ["9", None])])
        == []
    )
    assert edges([NamedTable("own", ["a"], ["a"])]) == []


def test_layers_run_from_left_to_right_and_end_in_a_cycle() -> None:
    chain = [Edge("a", "b", "part of", 1), Edge("b", "c", "part of", 1)]
    assert layers(["c", "b", "a", "z"], chain) == {"c": 2, "b": 1, "a": 0, "z": 0}
    circle = [Edge("a", "b", "generated from", 1), Edge("b", "a", "generated from", 1)]
    assert set(layers(["a", "b"], circle)) == {"a", "b"}


def test_forty_tables_of_many_rows_have_one_edge_each() -> None:
    ids = [f"{n:016x}" for n in range(20_000)]
    tables = [NamedTable(f"t{n}", ids[: 20_000 - 100 * n], born=n) for n in range(40)]
    assert len(edges(tables)) == 39
