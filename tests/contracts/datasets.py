"""A retailer's dataset on the emulator, made from the declared facts as infra makes it in the cloud."""

from __future__ import annotations

import uuid

from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from layers.facts import TABLES, view_sql


def make_dataset(rest: str, project: str, name: str = "") -> str:
    """A dataset of a name of its own, with every table and view, empty.

    Args:
        rest: `host:port` of the emulator. name: of the dataset, where a test must know it before.
    """
    options = ClientOptions(api_endpoint=f"http://{rest}")
    client = bigquery.Client(project, AnonymousCredentials(), client_options=options)
    name = name or f"facts_{uuid.uuid4().hex[:12]}"
    client.create_dataset(name)
    for table in TABLES:
        schema = [
            bigquery.SchemaField(c.name, c.type.value, mode="REQUIRED" if c.required else "NULLABLE")
            for c in table.columns
        ]
        client.create_table(bigquery.Table(f"{project}.{name}.{table.stored_as}", schema))
        if table.cooled:
            view = bigquery.Table(f"{project}.{name}.{table.name}")
            view.view_query = view_sql(table, f"{project}.{name}")
            client.create_table(view)
    client.close()
    return name
