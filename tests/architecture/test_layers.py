"""The import rules of pyproject.toml leave no module of `botplatform` out (the other packages are `exhaustive`)."""

from __future__ import annotations

import re
import tomllib

from tests.architecture.sources import ROOT, python_files

CONTRACT = "The layers of botplatform"


def declared() -> set[str]:
    """The modules that the contract names, below `botplatform`."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in settings["contracts"] if contract["name"] == CONTRACT)
    return {name.strip("() ") for layer in layers for name in re.split(r"[|:]", layer)}


def test_every_module_of_botplatform_has_a_layer() -> None:
    known = declared()
    left_out = []
    for path in python_files("botplatform"):
        parts = path.with_suffix("").parts[1:]
        if parts[-1] == "__init__" and len(parts) <= 2:
            continue  # a package's own docstring
        if not any(".".join(parts[:length]) in known for length in range(1, len(parts) + 1)):
            left_out.append(str(path))
    assert left_out == []
