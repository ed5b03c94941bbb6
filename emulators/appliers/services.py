"""Each service: its built archive, unpacked, under functions-framework, with exactly the environment of the graph.

Run from the archive and not from the repository, so that a layer which the archive lacks fails here as it would in the
cloud. Limits that shaped it: the framework stands on gunicorn, whose worker outlives a master that is killed, so a
service is ended by its process group; one instance a service, whatever scale the graph asks for.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from emulators.appliers.secrets import OWN_BEACON
from emulators.graph import InvalidGraph, Resource, localised
from emulators.processes import Start
from emulators.processes.ports import HOST
from emulators.processes.sdk import script
from layers.declarations import settings

SERVICE, OBJECT = "gcp:cloudrunv2/service:Service", "gcp:storage/bucketObject:BucketObject"

READY_PATH = "/robots.txt"
"""functions-framework answers 404 there without calling the function: asking `/` might run a scheduled job."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the graph.

    Attributes:
        function: the target, as its folder is named. archive: relative to the repository.
        environment: plain values. secrets: ids of secrets, by the name of the value that will hold them.
    """

    name: str
    function: str
    archive: str
    environment: Mapping[str, str]
    secrets: Mapping[str, str]

    @property
    def address_in_graph(self) -> str:
        return f"https://{self.name}.run.invalid"


def wanted(resources: Iterable[Resource]) -> list[Service]:
    """The services with their archives, by name. Pure.

    Raises:
        InvalidGraph: a service's archive is no object of the graph, or it has another number of containers than one.
    """
    resources = list(resources)
    archives = {
        f"gs://{each.text('bucket')}/{each.text('name')}": each.text("source", "asset")
        for each in resources
        if each.type == OBJECT
    }
    return sorted(
        (_service(each, archives) for each in resources if each.type == SERVICE), key=lambda service: service.name
    )


def _service(resource: Resource, archives: Mapping[str, str]) -> Service:
    source = resource.text("buildConfig", "sourceLocation")
    containers = resource.get("template", "containers", default=())
    if source not in archives or len(containers) != 1:
        raise InvalidGraph(
            f"service {resource.name!r} is built from {source} and has {len(containers)} containers; the laptop runs "
            "one container, built from an archive that is an object of the same graph."
        )
    plain: dict[str, str] = {}
    secrets: dict[str, str] = {}
    for env in containers[0].get("envs", ()):
        reference = (env.get("valueSource") or {}).get("secretKeyRef")
        if reference:
            secrets[env["name"]] = reference["secret"].rpartition("/")[2]
        else:
            plain[env["name"]] = env.get("value", "")
    function = resource.text("buildConfig", "functionTarget")
    return Service(resource.text("name"), function, archives[source], plain, secrets)


def environment(
    service: Service, values: Mapping[str, str], hosts: Mapping[str, str], addresses: Mapping[str, str], port: int
) -> dict[str, str]:
    """What the service's process sees. Pure.

    Args:
        values: of the secrets, by id, and private keys by the id of theirs. hosts: of the emulators. addresses: local
            ones by that in the graph.

    Raises:
        InvalidGraph: it refers to a secret that has no version.
    """
    missing = sorted(set(service.secrets.values()) - values.keys())
    if missing:
        raise InvalidGraph(
            f"service {service.name!r} refers to {', '.join(missing)}, which has no version in the graph."
        )
    secrets = {name: values[identifier] for name, identifier in service.secrets.items()}
    plain = {name: str(localised(value, addresses)) for name, value in service.environment.items()}
    # No Cloud KMS here: who is told the name of a key, or of its version, is handed the key.
    held = {
        f"{name}{settings.LOCAL}": values[key]
        for name, value in plain.items()
        if "/cryptoKeys/" in value and (key := value.partition("/cryptoKeyVersions/")[0]) in values
    }
    # Nothing here is sixty seconds on its way, and every erasure would wait for it; a page may be slow here, since
    # everything shares two cores.
    ours = {settings.LONGEST_REQUEST: "1", settings.PATIENCE: "2", "PORT": str(port)}
    # Nor do XGBoost's threads spin here while they wait for each other: on busy cores they cost five times the work.
    ours["OMP_WAIT_POLICY"] = "passive"
    if settings.BEACON_RELAYS in plain:
        ours[settings.OWN_BEACON] = values[OWN_BEACON]
    # Cloud Run's Python images set the last one too: a line of log must not wait for a buffer.
    return {**plain, **secrets, **held, **hosts, **ours, "PYTHONUNBUFFERED": "1"}


def fingerprint(service: Service, values: Mapping[str, str], archive: Path) -> str:
    """Changes when the service must be started anew: other code, or another environment."""
    code = hashlib.sha256(archive.read_bytes())
    code.update(json.dumps([service.function, dict(sorted(values.items()))]).encode())
    return code.hexdigest()


def unpack(archive: Path, into: Path) -> Path:
    """Unpacks an archive into a folder named after its content; what is unpacked already is not touched.

    Raises:
        InvalidGraph: there is no such archive.
    """
    if not archive.is_file():
        raise InvalidGraph(f"the archive {archive.name} is not there: capture the graph again, which builds it.")
    folder = into / f"{archive.stem}-{hashlib.sha256(archive.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(partial)
        partial.rename(folder)
    return folder


def start_of(service: Service, folder: Path, home: Path, values: Mapping[str, str], log: Path, held: bool) -> Start:
    """How its process is started.

    Args:
        folder: its unpacked archive. home: a folder of its own: no credentials of whoever works on this laptop are
            found there, and gunicorn makes a socket there that two functions cannot share.
    """
    command = ("--source", "main.py", "--target", service.function, "--host", HOST, "--port", values["PORT"])
    return Start(
        service.function,
        (script("functions-framework"), *command),
        {**values, "HOME": str(home)},
        log,
        held,
        folder,
        # The framework's master stops its worker on SIGTERM; killed, it would leave it behind.
        signal.SIGTERM,
    )
