"""Any Keras network into LR space: the same function, its upsampling done by a convolution and a shuffle.

    new = zoo.rewrite.to_lr_space(model)
    print(zoo.rewrite.explain(model))
    new, explanation = zoo.rewrite.rewritten(model)
    zoo.rewrite.convert(zoo_model, "transposed")
    npu = zoo.rewrite.to_transposed(model)

The identities are those of arXiv 1609.07009; docs/identity.md explains them with pictures.

The names resolve on first use, before which Keras is not imported.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy

if TYPE_CHECKING:  # for editors and type checkers, which do not run `__getattr__`
    from zoo.rewrite.explanation import Explanation, Row
    from zoo.rewrite.forms import convert
    from zoo.rewrite.lr_space import Rewritten, explain, rewritten, to_lr_space
    from zoo.rewrite.transposed import to_transposed

_HOME = {
    "Explanation": "explanation",
    "Row": "explanation",
    "convert": "forms",
    "Rewritten": "lr_space",
    "explain": "lr_space",
    "rewritten": "lr_space",
    "to_lr_space": "lr_space",
    "to_transposed": "transposed",
}
__all__ = ["Explanation", "Rewritten", "Row", "convert", "explain", "rewritten", "to_lr_space", "to_transposed"]
__getattr__, __dir__ = lazy(__name__, _HOME)
