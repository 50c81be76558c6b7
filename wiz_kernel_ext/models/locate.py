"""Where the model of a name is: "demo", a path, or a file in the models directory.

Knows files, not what is in them. The service and the in-process worker call it; both are told the
asker's working directory.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from wiz_kernel_ext.errors import BadRequest, ModelFileNotFound

DEMO = "demo"


def locate_model(name: str, cwd: Path | None = None, models_dir: Path | None = None) -> Path:
    """The absolute path of the model file that `name` means.

    A relative path is looked up in `cwd` (default: this process's), then in `models_dir`, each time
    as it is and with ".gguf". Raises ModelFileNotFound naming the places, BadRequest for no name.
    """
    if not name.strip() or "\0" in name:
        raise BadRequest(
            "A model needs a path or a name.",
            hint="Give the path of a .gguf file, or 'demo' for the bundled model.",
            field="modelPath",
        )
    cwd = cwd or Path.cwd()
    if name == DEMO and not (cwd / DEMO).is_file():
        return _demo()
    path = Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises for an unknown user
    places = [path] if path.is_absolute() else [cwd / path]
    if models_dir is not None and not path.is_absolute():
        places.append(models_dir / path)
    for place in places:
        for candidate in (place, Path(f"{place}.gguf")):
            if _is_there(candidate):
                return Path(os.path.abspath(candidate))  # noqa: PTH100 - keeps symlinks as named
    looked = " and ".join(str(place.parent) for place in places)
    raise ModelFileNotFound(f"There is no model file {path.name!r} in {looked}.")


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.EACCES:
            raise ModelFileNotFound(
                f"{path} cannot be read: permission denied.", hint="Check the file's permissions."
            ) from None
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
