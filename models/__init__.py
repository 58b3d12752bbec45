"""The speech models: which there are, where their files come from, and whether they are whole."""

from models.catalogue import Catalogue, Model, ModelFile, load_catalogue
from models.errors import ModelCorrupt, ModelError, ModelMissing
from models.folders import default_models_dir
from models.progress import Phase, Progress
from models.store import ModelStore, State, Status

__all__ = [
    "Catalogue",
    "Model",
    "ModelCorrupt",
    "ModelError",
    "ModelFile",
    "ModelMissing",
    "ModelStore",
    "Phase",
    "Progress",
    "State",
    "Status",
    "default_models_dir",
    "load_catalogue",
]
