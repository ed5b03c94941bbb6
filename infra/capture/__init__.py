"""The program run without a cloud and without Pulumi's command line; what it asked for, as plain sorted data.

Comes in: a stack's name and its file. Goes out: the graph, sorted by URN,
`{"project", "stack", "resources": [{"urn", "type", "name", "inputs", "depends_on", "protect", "ignore_changes"}]}`.
`project` is the Google Cloud project. Inputs have the names of Pulumi's wire (camelCase); a secret is
`{"secret": <URN it comes from>}`, a file `{"asset": <path within the repository>}`. Resources of Pulumi itself are left
out.

What Pulumi's mocks let pass is an error here: an output nobody knows, two resources of one URN, an input that the
provider would refuse.
"""

from infra.capture.graph import Graph, InvalidGraph, Resource, render
from infra.capture.run import capture

__all__ = ["Graph", "InvalidGraph", "Resource", "capture", "render"]
