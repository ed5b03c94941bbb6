"""`python -m emulators.processes NAME…`: single emulators in the foreground, to try code against them."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from emulators.processes.control import ProcessFailed
from emulators.processes.sdk import NotInstalled
from emulators.processes.servers import SERVERS, held_servers


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m emulators.processes",
        description="Starts the named emulators, prints the export lines that lead to them, and stops them on "
        "Ctrl-C or SIGTERM. They are empty: it is `python -m emulators up` that makes what the graph holds.",
    )
    parser.add_argument("names", nargs="+", choices=sorted(SERVERS), metavar="NAME", help=", ".join(sorted(SERVERS)))
    parser.add_argument("--logs", type=Path, help="folder for the log files (default: a new temporary one)")
    options = parser.parse_args(arguments)
    logs = options.logs or Path(tempfile.mkdtemp(prefix="gondola-emulators-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with held_servers(options.names, logs) as environment:
            for name, value in environment.items():
                print(f"export {name}={value}", flush=True)
            print(f"# ready; logs in {logs}; Ctrl-C stops them", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except (ProcessFailed, NotInstalled) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
