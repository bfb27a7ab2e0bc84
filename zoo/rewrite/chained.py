"""Calls that one chain of layers replaces, which reads one tensor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from zoo.rewrite.graph import Node
from zoo.rewrite.rebuild import Names, Rebuild
from zoo.rewrite.replace import Chain


@dataclass
class Chained:
    """A call whose output a chain gives.

    Attributes:
        node: the call.
        source: what the chain reads.
        owner: the layer that calls which share the chain have in common.
        chain: makes it.
    """

    node: Node
    source: keras.KerasTensor
    owner: keras.layers.Layer
    chain: Callable[[Names], Chain]

    @property
    def reads(self) -> list[keras.KerasTensor]:
        return [self.source]


class ChainedRebuild(Rebuild):
    """Makes models anew with `Chained` calls in their plan."""

    def call(self, node: Node, known: dict) -> Any:
        replaced = self._plan.replaced.get(id(node))
        if not isinstance(replaced, Chained):
            return super().call(node, known)
        if id(replaced.owner) not in self._chains:
            self._chains[id(replaced.owner)] = replaced.chain(self.names)
        return self._chains[id(replaced.owner)](known[id(replaced.source)])
