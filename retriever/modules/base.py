"""What a sparse mask or a ranking adapter is bound to, of the model in a folder."""

from __future__ import annotations

from pathlib import Path

from xret.errors import ModelError
from xret.retriever.models.fingerprints import model_fingerprint
from xret.retriever.models.module_card import ModelBase
from xret.retriever.xmod.fingerprints import shared_fingerprint
from xret.retriever.xmod.xmod_folder import XmodFolder

__all__ = ["model_base"]


def model_base(folder: Path) -> ModelBase:
    """The part of a model that stays when languages come and go, however it is used.

    Of X-MOD what every language shares, with the size of the vocabulary; of any other model,
    and of one whose weights lie in several files, so that its languages cannot be changed,
    the folder without language modules beside it. Raises ModelError for unreadable files.
    """
    try:
        xmod = XmodFolder.open(folder)
    except ModelError:
        return ModelBase(model_fingerprint(folder, {}, modules=False))
    whole = model_fingerprint(folder, {}, modules=False)
    return ModelBase(shared_fingerprint(folder), vocabulary=xmod.n_rows, folder=whole)
