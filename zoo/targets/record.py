"""What a runtime takes, as one frozen record: operations, limits, the form of an enlargement, where that is written.

A record is made of what somebody published, and a runtime may do otherwise. One that nobody ran here says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a file's parser needs LiteRT's schema, which rewriting a Keras network does not
    from zoo.graphs.tflite import File, Graph, Operation


FORMS = ("subpixel", "transposed")
# What a convolution's result goes through, by the names of TFLite.
ACTIVATIONS: tuple[str, ...] = ("ELU", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "PRELU", "RELU", "RELU_0_TO_1")
ACTIVATIONS += ("RELU_N1_TO_1", "RELU6", "TANH")
Look = Callable[["Operation"], Iterator[str]]
Around = Callable[["Operation", "Graph"], Iterator[str]]


def _nothing(operation: Operation) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True)
class Rule:
    """What an operation has to be like.

    Attributes:
        severity: of a breach, as a `Finding` has it.
        source: where it is written or how it was found.
        look: a sentence for each breach of an operation.
        around: the same, where the graph around the operation tells it.
    """

    severity: str
    source: str
    look: Look = _nothing
    around: Around | None = None

    def breaches(self, operation: Operation, graph: Graph) -> Iterator[str]:
        """A sentence for each."""
        yield from self.look(operation)
        if self.around:
            yield from self.around(operation, graph)


@dataclass(frozen=True)
class Finding:
    """One breach of one rule.

    `severity`: "wrong" (the runtime takes the operation and computes something else, silently), "refused" (it does not
    take it: the graph is split or fails), "uncertain" (versions differ: a run decides) or "costly" (it works, at a
    price).
    """

    rule: str
    severity: str
    place: str
    sentence: str
    source: str


@dataclass(frozen=True)
class Target:
    """A runtime that a file can be written for.

    Attributes:
        name: as `--target` has it.
        title: for people.
        operations: TFLite's names of those that it takes, None for any.
        enlargement: the form that it computes: "subpixel" (a convolution, then a shuffle) or "transposed".
        source, date: where the record is from, and as of when.
        ran: what its rules were tried with; empty: nothing.
        rules: what each operation has to be like, by name.

    Example:
        >>> from zoo.targets import records
        >>> samsung = records.named("samsung")
        >>> samsung.enlargement, "PRELU" in samsung.activations, samsung.ran
        ('transposed', False, '')
    """

    name: str
    title: str
    operations: frozenset[str] | None
    enlargement: str
    source: str
    date: str
    ran: str = ""
    rules: Mapping[str, Rule] = field(default_factory=dict)

    @property
    def activations(self) -> frozenset[str]:
        """Those of `ACTIVATIONS` that it takes."""
        return frozenset(ACTIVATIONS) if self.operations is None else self.operations & frozenset(ACTIVATIONS)

    @property
    def one_size(self) -> bool:
        """Whether a file for it has one size."""
        return "static-shape" in self.rules

    def takes(self, operation: str) -> bool:
        """Whether it takes an operation of this name."""
        return self.operations is None or operation in self.operations

    def check(self, file: File) -> list[Finding]:
        """All breaches in a file, in the order of its operations."""
        return [
            Finding(name, rule.severity, f"operation {number} ({operation})", sentence, rule.source)
            for number, (graph, operation) in enumerate(
                (graph, operation) for graph in file.graphs for operation in graph.operations
            )
            for name, rule in self.rules.items()
            for sentence in rule.breaches(operation, graph)
        ]

    def __str__(self) -> str:
        ran = f"its rules tried with {self.ran}" if self.ran else "never run here"
        return f"{self.title}, {ran}; from {self.source}, {self.date}"


def moving(operation: Operation) -> Iterator:
    """The tensors that an operation reads and writes, less its constants."""
    return (tensor for tensor in operation.tensors() if not tensor.constant)


def free_size(operation: Operation) -> Iterator[str]:
    """A file that is compiled for a chip has one size."""
    free = next((tensor for tensor in moving(operation) if None in tensor.shape), None)
    if free:
        yield f"the tensor {free} has a free size, and a file is compiled for one; export it with all sides given"


def summarized(findings: list[Finding]) -> list[str]:
    """A line for each rule that is broken: the first breach, and how many more there are."""
    lines = []
    for rule in dict.fromkeys(finding.rule for finding in findings):
        first, *more = [finding for finding in findings if finding.rule == rule]
        others = f" and {len(more)} more" if more else ""
        lines.append(f"{first.severity}: {first.place}{others}: {first.sentence} [{first.source}]")
    return lines
