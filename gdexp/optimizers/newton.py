"""Newton's method, with a learning rate: the baseline that knows the curvature."""

import jax
import jax.numpy as jnp
import optax

from gdexp.optimizers import per_update


@per_update(lambda dim: dim)  # a gradient for each column of the Hessian
def newton(
    learning_rate: optax.ScalarOrSchedule = 1.0, damping: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """Steps by (H + damping I)⁻¹ g, with the Hessian H by automatic differentiation.

    Pure at the defaults: it goes to the stationary point of the local parabola, be that a minimum,
    a saddle or a maximum, and takes no step that is finite where H is singular.
    """

    def update(gradient, state, x, *, value_fn, **_):
        hessian = jax.hessian(value_fn)(x)
        return jnp.linalg.solve(hessian + damping * jnp.eye(len(x), dtype=x.dtype), gradient), state

    return optax.chain(
        optax.GradientTransformationExtraArgs(lambda x: optax.EmptyState(), update),
        optax.scale_by_learning_rate(learning_rate),
    )
