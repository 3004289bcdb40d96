from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

import numpy as np
import pytest

import synthkit as sk
from synthkit.core.errors import ModelNotFound, UsageError
from synthkit.models.embedders import EMBEDDERS, embedder_specs, load_embedder

NEAR = ["A cat sat on the mat.", "A kitten was sitting on a rug.", "The stock market fell sharply."]
ODD = ["", " ", "naïve 🙂 日本語", "word " * 5000, "A cat sat on the mat."]


@pytest.mark.model
@pytest.mark.parametrize(("name", "dim"), [("wordllama", 256), ("minilm", 384)])
class TestEmbedders:
    def test_similar_meanings_have_similar_vectors(self, name: str, dim: int) -> None:
        vectors = load_embedder(name).embed(NEAR)
        assert vectors.shape == (3, dim)
        assert vectors.dtype == np.float32
        likeness = vectors @ vectors.T
        assert np.diag(likeness) == pytest.approx(1, abs=1e-5)
        assert likeness[0, 1] > 0.35 > likeness[0, 2]

    def test_no_texts_give_no_rows(self, name: str, dim: int) -> None:
        assert load_embedder(name).embed([]).shape == (0, dim)

    def test_odd_texts_give_unit_rows_or_zeros(self, name: str, dim: int) -> None:
        vectors = load_embedder(name).embed(ODD)
        lengths = np.linalg.norm(vectors, axis=1)
        assert all(abs(length - 1) < 1e-5 or length == 0 for length in lengths)
        assert lengths[2:] == pytest.approx(1, abs=1e-5)

    def test_a_text_has_one_vector_whatever_its_neighbours(self, name: str, dim: int) -> None:
        embedder = load_embedder(name)
        many = embedder.embed([*ODD, *NEAR, *(f"{at} words" * at for at in range(70))])
        alone = embedder.embed([ODD[4]])
        assert many[4] == pytest.approx(alone[0], abs=1e-5)
        assert many[5] == pytest.approx(alone[0], abs=1e-5)


@pytest.mark.model
def test_wordllama_gives_what_its_own_package_gives() -> None:
    # the first numbers of WordLlama.load().embed(..., norm=True), wordllama 0.4.0.post1
    expected = [-0.048865, 0.018841, -0.062493, 0.081781, 0.022563, -0.04752]
    assert load_embedder("wordllama").embed([NEAR[0]])[0, :6] == pytest.approx(expected, abs=1e-5)


@pytest.mark.model
def test_wordllama_needs_no_torch() -> None:
    code = (
        "import sys; from synthkit.models.embedders import load_embedder;"
        "load_embedder('wordllama').embed(['a']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.model
def test_the_fingerprints_of_catalog_embedders_stay() -> None:
    assert load_embedder("minilm").fingerprint == (
        "embed weights=53aa51172d142c89d9012cce15ae4d6c.1"
    )


def test_a_name_that_is_no_embedder_is_refused() -> None:
    with pytest.raises(ModelNotFound, match="Did you mean 'minilm'"):
        load_embedder("minilm2")
    with pytest.raises(UsageError, match=r"smollm2 is not an embedder; embedders are .*minilm"):
        load_embedder("smollm2")
    with pytest.raises(UsageError, match="option 'dimension' not found"):
        load_embedder("hf:x", dimension=3)


def test_embedders_are_listed_without_numpy() -> None:
    code = (
        "import sys; from synthkit.models.embedders import embedder_specs;"
        "print(*embedder_specs()); print('numpy' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()
    assert {"wordllama", "minilm", "hf:", "openai:"} <= set(out[0].split())
    assert out[1] == "False"


def test_an_embedder_of_a_notebook_is_loaded_and_listed() -> None:
    class Letters:
        dim = 2

        def __init__(self, letters: str) -> None:
            self.name = self.fingerprint = letters

        def embed(self, texts: Sequence[str]) -> np.ndarray:
            return np.array([[text.count(each) for each in self.name] for text in texts], "f")

    @sk.models.embedder("letters")
    def letters(name: str) -> Letters:
        """Counts of letters."""
        return Letters(name)

    assert "letters:" in embedder_specs()
    assert load_embedder("letters:ab").embed(["abba"]).tolist() == [[2.0, 2.0]]
    EMBEDDERS.remove("letters")


def test_an_embedder_of_an_installed_package_is_loaded(install: Callable[..., None]) -> None:
    source = (
        "import synthkit as sk\n\n@sk.models.embedder('parrot')\n"
        "def parrot(name):\n    return name\n"
    )
    install(EMBEDDERS, "parrot", source)
    assert load_embedder("parrot:hello") == "hello"


def test_half_of_a_surrogate_pair_is_embedded_as_another_sign() -> None:
    embed = load_embedder("wordllama").embed
    assert np.array_equal(embed(["tea \ud83d"]), embed(["tea ?"]))
