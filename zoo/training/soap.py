"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner, for weights that are matrices."""

import keras
from keras import ops


class SOAP(keras.optimizers.Optimizer):
    """Adam, run in the slowly turning eigenbasis of the gradient's row and column covariances.

    A kernel of a convolution counts as the matrix (all but the last axis, last axis); vectors and slopes get plain
    Adam. For networks of some ten thousand weights the extra work is small beside the gradient, and the badly scaled
    directions of a thin network (a first layer of one channel, a 1×1 shrinking) stop holding the others back.

    Args:
        learning_rate: a number or schedule.
        beta_1: decay of the mean gradient.
        beta_2: decay of the mean square and of both covariances.
        epsilon: added to the root of the mean square.
        refresh: steps between two refreshes of the eigenbasis, by one step of orthogonal iteration.

    References: Vyas et al., arXiv 2409.11321, algorithm 3; Gupta et al., arXiv 1802.09568 (Shampoo).
    """

    def __init__(self, learning_rate=3e-3, beta_1=0.95, beta_2=0.95, epsilon=1e-8, refresh=10, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon, self.refresh = beta_1, beta_2, epsilon, refresh

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.states = []
        for variable in variables:
            rows, columns = _matrix_shape(variable.shape)
            sides = (rows, columns) if min(rows, columns) > 1 else ()
            state = {
                name: self.add_variable((rows, columns), "zeros", variable.dtype, name=f"{variable.name}_{name}")
                for name in ("mean", "square")
            }
            for axis, side in enumerate(sides):
                for name, initializer in (("covariance", "zeros"), ("basis", keras.initializers.Identity())):
                    state[f"{name}_{axis}"] = self.add_variable(
                        (side, side), initializer, variable.dtype, name=f"{variable.name}_{name}_{axis}"
                    )
            self.states.append(state)

    def update_step(self, gradient, variable, learning_rate):
        state = self.states[self._get_variable_index(variable)]
        dtype = variable.dtype
        step = ops.cast(self.iterations + 1, dtype)
        gradient = ops.reshape(ops.cast(gradient, dtype), _matrix_shape(variable.shape))
        rate = ops.cast(learning_rate, dtype)
        b1, b2 = self.beta_1, self.beta_2

        self.assign(state["mean"], b1 * state["mean"] + (1 - b1) * gradient)
        turns = "basis_0" in state
        if turns:
            for axis in (0, 1):
                outer = (
                    ops.matmul(gradient, ops.transpose(gradient))
                    if axis == 0
                    else ops.matmul(ops.transpose(gradient), gradient)
                )
                self.assign(state[f"covariance_{axis}"], b2 * state[f"covariance_{axis}"] + (1 - b2) * outer)
        turned = self._turn(gradient, state) if turns else gradient
        self.assign(state["square"], b2 * state["square"] + (1 - b2) * turned * turned)
        mean = self._turn(state["mean"], state) if turns else state["mean"]
        update = (mean / (1 - b1**step)) / (ops.sqrt(state["square"] / (1 - b2**step)) + self.epsilon)
        if turns:
            update = ops.matmul(ops.matmul(state["basis_0"], update), ops.transpose(state["basis_1"]))
        self.assign_sub(variable, ops.reshape(rate * update, variable.shape))
        if turns:
            # The first step has a covariance of rank one; the basis is worth refreshing from the second on.
            due = ops.equal(ops.mod(self.iterations, self.refresh), 1 % self.refresh)
            for axis in (0, 1):
                basis, covariance = state[f"basis_{axis}"], state[f"covariance_{axis}"]
                self.assign(
                    basis,
                    ops.cond(
                        due,
                        lambda basis=basis, covariance=covariance: ops.qr(
                            ops.matmul(covariance + 1e-12 * ops.eye(covariance.shape[0]), basis)
                        )[0],
                        lambda basis=basis: ops.convert_to_tensor(basis),
                    ),
                )

    @staticmethod
    def _turn(matrix, state):
        return ops.matmul(ops.matmul(ops.transpose(state["basis_0"]), matrix), state["basis_1"])

    def get_config(self) -> dict:
        names = ("beta_1", "beta_2", "epsilon", "refresh")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _matrix_shape(shape) -> tuple[int, int]:
    """(…, last) as a matrix; a transposed convolution's (K, K, O, I) too, whose last axis is its input.

    A kernel whose last axis is 1, as a depthwise one's, counts as taps by maps.
    """
    if len(shape) == 4 and shape[-1] == 1:
        return shape[0] * shape[1], shape[2]
    columns = shape[-1] if len(shape) else 1
    rows = 1
    for side in shape[:-1]:
        rows *= side
    return rows, columns
