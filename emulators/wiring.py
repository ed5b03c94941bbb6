"""Where everything is on this laptop: each function's port, each emulator's host, each secret's value. Pure.

From it come the environment a function is started with, and the addresses in place of the graph's. Does not start or
ask anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from emulators.appliers import scheduler, services
from emulators.appliers.scheduler import Job
from emulators.appliers.services import Service
from emulators.plan import Plan
from emulators.processes import environment_of
from emulators.processes.ports import HOST
from layers.declarations import SecretKind, settings


class UnknownFunction(LookupError):
    """No function of that name; the message lists those there are."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Attributes:
    services: by function. ports: of the functions. emulators: ports by the keys of `EMULATOR_HOSTS`.
    secrets: values by secret id.
    """

    plan: Plan
    services: Mapping[str, Service]
    ports: Mapping[str, int]
    emulators: Mapping[str, int]
    secrets: Mapping[str, str]

    @classmethod
    def of(
        cls, plan: Plan, ports: Mapping[str, int], emulators: Mapping[str, int], secrets: Mapping[str, str]
    ) -> Wiring:
        wanted = {service.function: service for service in services.wanted(plan.of("services"))}
        return cls(plan, wanted, ports, emulators, secrets)

    @property
    def hosts(self) -> dict[str, str]:
        """The environment values that lead to the emulators."""
        return environment_of(self.emulators)

    @property
    def addresses(self) -> dict[str, str]:
        """Local addresses by those in the graph."""
        return {each.address_in_graph: self.address(name) for name, each in self.services.items()}

    @property
    def jobs(self) -> dict[str, Job]:
        return scheduler.wanted(self.plan.of("scheduler"), self.addresses)

    def service(self, function: str) -> Service:
        """Raises:
        UnknownFunction: there is none of that name.
        """
        name = function.replace("-", "_")
        if name not in self.services:
            raise UnknownFunction(f"there is no function {function!r}; there are {', '.join(sorted(self.services))}.")
        return self.services[name]

    def address(self, function: str) -> str:
        """`http://127.0.0.1:PORT` of a function."""
        return f"http://{HOST}:{self.ports[self.service(function).function]}"

    def host(self, emulator: str) -> str:
        """`host:port` of an emulator, by its key in `EMULATOR_HOSTS`."""
        return f"{HOST}:{self.emulators[emulator]}"

    def environment(self, function: str) -> dict[str, str]:
        """What a function's process sees."""
        service = self.service(function)
        port = self.ports[service.function]
        return services.environment(service, self.secrets, self.hosts, self.addresses, port)

    def secret(self, kind: SecretKind | str, retailer: str) -> str:
        """A retailer's secret, base64.

        Raises:
            LookupError: no function of this stack needs it.
        """
        name = settings.secret(SecretKind(kind), retailer)
        for service in self.services.values():
            if name in service.secrets:
                return self.secrets[service.secrets[name]]
        raise LookupError(f"no function needs {name}, so the stack holds no such secret.")

    def retailers(self) -> list[dict[str, object]]:
        """The registry entries that the functions see."""
        found = {
            name: value
            for service in self.services.values()
            for name, value in service.environment.items()
            if name.startswith(settings.RETAILER_PREFIX)
        }
        return [json.loads(value) for _, value in sorted(found.items())]
