"""Calls that one cascade of layers replaces, which reads one tensor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from zoo.rewrite.graph import Node
from zoo.rewrite.rebuild import Names, Rebuild
from zoo.rewrite.replace import Cascade


@dataclass
class Cascaded:
    """A call whose output a cascade gives.

    Attributes:
        node: the call.
        source: what the cascade reads.
        owner: the layer that calls which share the cascade have in common.
        cascade: makes it.
    """

    node: Node
    source: keras.KerasTensor
    owner: keras.layers.Layer
    cascade: Callable[[Names], Cascade]

    @property
    def reads(self) -> list[keras.KerasTensor]:
        return [self.source]


class CascadedRebuild(Rebuild):
    """Makes models anew with `Cascaded` calls in their plan."""

    def call(self, node: Node, known: dict) -> Any:
        replaced = self._plan.replaced.get(id(node))
        if not isinstance(replaced, Cascaded):
            return super().call(node, known)
        if id(replaced.owner) not in self._cascades:
            self._cascades[id(replaced.owner)] = replaced.cascade(self.names)
        return self._cascades[id(replaced.owner)](known[id(replaced.source)])
