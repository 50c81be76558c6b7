"""Where the model of a name is: "demo", a path, or a file in the models directory.

Knows files, not what is in them. The service and the in-process worker call it; both are told the
asker's working directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from wiz_kernel_ext.errors import BadRequest, ModelFileNotFound, not_permitted
from wiz_kernel_ext.folders import entries, ggufs_in, is_file
from wiz_kernel_ext.surroundings import public

DEMO = "demo"
_LONGEST_SHOWN = 80


def locate_model(name: str, cwd: Path | None = None, models_dir: Path | None = None) -> Path:
    """The absolute path of the model file that `name` means.

    A relative path is looked up in `cwd` (default: this process's), then in `models_dir`, each time
    as it is and with ".gguf". Raises ModelFileNotFound naming the places, BadRequest for no name,
    NotPermitted.
    """
    if not name.strip() or "\0" in name:
        raise BadRequest(
            "A model needs a path or a name.",
            hint="Give the path of a .gguf file, or 'demo' for the bundled model.",
            field="modelPath",
        )
    cwd = cwd or _working_directory()
    if name == DEMO and not (cwd and is_file(cwd / DEMO)):
        return _demo()
    # Path.expanduser raises for an unknown user.
    path = Path(os.path.expandvars(os.path.expanduser(name)))  # noqa: PTH111
    if path.is_absolute():
        places = [path]
    else:
        places = [folder / path for folder in (cwd, models_dir) if folder is not None]
    for place in places:
        for candidate in (place, Path(f"{place}.gguf")):
            if _is_there(candidate):
                return Path(os.path.abspath(candidate))  # noqa: PTH100 - keeps symlinks as named
    looked = " and ".join(str(place.parent) for place in places) or "a directory that was deleted"
    raise ModelFileNotFound(
        f"There is no model file {shortened(path.name)!r} in {looked}.", hint=near_files(places)
    )


def hint_at_files(name: str, base: Path | None) -> str | None:
    """A hint at what lies in the folder that `name` is from `base`, or is called nearly so."""
    place = (base or Path("/")) / name
    if ggufs := ggufs_in(place):
        return f"{name} is a folder. Name a file in it: {ggufs}."
    return near_files([place])


def near_files(places: Iterable[Path]) -> str | None:
    """A hint at files beside `places` that are called nearly so; None where there is none."""
    near: list[str] = []
    for place in places:
        known = {
            path.name.lower(): path
            for path in entries(place.parent)
            if path.suffix.lower() == ".gguf" or path.is_dir()
        }
        for name in (place.name.lower(), f"{place.name.lower()}.gguf"):
            near += [str(known[match]) for match in get_close_matches(name, known, n=2, cutoff=0.7)]
    return f"Did you mean {' or '.join(dict.fromkeys(near[:2]))}?" if near else None


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was deleted
        return None


def shortened(name: str) -> str:
    """`name` as it is shown in an error."""
    name = public(name)
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}…"


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        if refused := not_permitted(error, path, "read"):
            raise refused from None
        return False
    return True


def _demo() -> Path:
    from wiz_kernel_ext.demo import model_path

    path = model_path()
    if not path.is_file():
        raise ModelFileNotFound(
            f"The bundled demo model is missing: {path}.", hint="Reinstall the package."
        )
    return path
