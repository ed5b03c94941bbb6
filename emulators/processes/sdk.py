"""Where the official emulators and the interpreters are on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

SDK_VARIABLE = "GONDOLA_CLOUD_SDK"
"""Overrides where the Google Cloud CLI is looked for: its root folder, which holds `platform/`."""

BIGQUERY_PYTHON_VARIABLE = "GONDOLA_BQEMULATOR_PYTHON"
"""Overrides the interpreter of bqemulator's environment."""

_ROOT = Path(__file__).resolve().parents[2]


class NotInstalled(RuntimeError):
    """Something the stack needs is missing on this machine. The message says how to get it."""


@cache
def sdk_root() -> Path:
    """The Google Cloud CLI's folder.

    Raises:
        NotInstalled: there is none.
    """
    named = os.environ.get(SDK_VARIABLE)
    if named:
        return Path(named)
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise NotInstalled(
            "gcloud is not installed, so no official emulator can be started. Install the Google Cloud CLI "
            f"(https://cloud.google.com/sdk/docs/install) or name its folder in {SDK_VARIABLE}."
        )
    beside = Path(gcloud).resolve().parents[1]
    if (beside / "platform").is_dir():
        # Asking gcloud itself takes a second or more.
        return beside
    asked = subprocess.run(
        [gcloud, "info", "--format=value(installation.sdk_root)"], capture_output=True, text=True, check=False
    )
    return Path(asked.stdout.strip() or beside)


def emulator_file(component: str, pattern: str) -> Path:
    """A file of an emulator, e.g. `("pubsub-emulator", "lib/*.jar")`.

    Raises:
        NotInstalled: that emulator is not installed.
    """
    found = sorted((sdk_root() / "platform" / component).glob(pattern))
    if not found:
        installable = component.removeprefix("cloud-").removesuffix("-emulator")
        raise NotInstalled(
            f"the {installable} emulator is not below {sdk_root()}: the stack cannot start. Run `gcloud components "
            f"install {_COMPONENTS[component]}`, or with apt `apt install google-cloud-cli-{installable}-emulator`."
        )
    return found[-1]


_COMPONENTS = {
    "bigtable-emulator": "bigtable",
    "pubsub-emulator": "pubsub-emulator",
    "cloud-firestore-emulator": "cloud-firestore-emulator",
}


def java() -> str:
    """The Java that runs two of the emulators.

    Raises:
        NotInstalled: there is none.
    """
    found = shutil.which("java")
    if found is None:
        raise NotInstalled("java is not installed: the Pub/Sub and Firestore emulators need Java 11 or newer.")
    return found


def script(name: str) -> str:
    """A command of the environment that runs this, e.g. `moto_server`.

    Raises:
        NotInstalled: the environment lacks it.
    """
    path = Path(sys.prefix) / "bin" / name
    if not path.is_file():
        raise NotInstalled(f"{name} is not in {sys.prefix}: run `make setup`.")
    return str(path)


def bigquery_python() -> str:
    """The interpreter of bqemulator's own environment.

    Raises:
        NotInstalled: it was not made yet.
    """
    path = Path(os.environ.get(BIGQUERY_PYTHON_VARIABLE) or _ROOT / ".venv-bqemulator" / "bin" / "python")
    if not path.is_file():
        raise NotInstalled(f"bqemulator's environment is not at {path.parent.parent}: run `make setup`.")
    return str(path)


def bigquery_launcher() -> str:
    return str(_ROOT / "emulators" / "bigquery" / "launcher.py")
