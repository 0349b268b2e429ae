"""Functions taken apart into scalars give what they gave whole."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import sifted

from gdexp import flat, soa

X = np.array([0.3, -1.2, 2.5, 0.7], np.float32)
FUNCTIONS = {
    "sum": lambda x: jnp.sum(x**2),
    "extremes": lambda x: jnp.abs(x).max() - x.min() + jnp.prod(x),
    "gradient": jax.grad(lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)),
    "unpacked": lambda x: jnp.stack([x[3], x[0] * x[1], jnp.sin(x[2])]),
    "product": lambda x: x.reshape(2, 2) @ x.reshape(2, 2).T,
    "product with a vector": lambda x: jnp.arange(12.0, dtype=x.dtype).reshape(3, 4) @ x,
    "outer product": jax.grad(lambda x: jnp.sum((X[:2] @ x.reshape(2, 2)) ** 2)),
    "where": lambda x: jnp.where(x > 0, x, 2 * x),
    "cumulative": lambda x: jnp.cumsum(x) * jnp.cumprod(x)[::-1],
    "padded": lambda x: jnp.pad(x, (1, 2))[::2],
    "updated": lambda x: x.at[1].set(5.0).at[2:].add(1.0),
    "sorted": lambda x: jnp.sort(x),
    "looked up": lambda x: x[jnp.argmax(x)],
    "looped": lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y + x[i], x),
    "branched": lambda x: jax.lax.cond(x[0] > 0, lambda y: y + 1, lambda y: y - 1, x),
    "branched by the device": lambda x: jax.lax.platform_dependent(
        x, cpu=lambda y: y + 1, default=lambda y: y - 1
    ),
    "a branch of each lane in a loop of each lane": lambda x: jax.lax.while_loop(
        lambda state: state[0] < jnp.abs(state[1][0]) * 4,
        lambda state: (
            state[0] + 1,
            jax.lax.cond(state[1].sum() > state[0], lambda y: y * 0.5, lambda y: y + 1, state[1]),
        ),
        (0, x),
    )[1],
    "scanned": lambda x: jax.lax.scan(lambda c, y: (c * 0.5 + y, c + x[0]), x[1], x),
    "solved": lambda x: jnp.linalg.solve(jnp.eye(4) * 2, x),
    "one choice": lambda x: jnp.where(x[0] > 0, x, -x),
    "clipped": lambda x: jax.lax.clamp(x[1], x, x[2]),
    "joined with what is known": lambda x: jnp.concatenate([x, jnp.ones(3, x.dtype), x[:1]]),
    "a number times what is known": lambda x: x[0] * jnp.arange(4.0, dtype=x.dtype) + x,
    "padded with a number": lambda x: jax.lax.pad(x, x[0], [(1, 2, 1)]),
    "two axes": lambda x: (x[:, None] * x[None, :])[:, ::2].sum((0, 1)) + (x[:, None] * x).max(0),
    "turned": lambda x: (x.reshape(2, 2).T - x.reshape(2, 2))[::-1].ravel(),
    "any and all": lambda x: jnp.where((x > 1).any() & ~(x > 1).all(), x.argmax(), x.argmin()),
    "nothing to add": lambda x: x[4:].sum() + x[0] + x[4:].prod(),
    "a constant": lambda x: jnp.zeros(3) + jnp.arange(3),
    "one row for all": lambda x: jax.lax.mul(jnp.ones((3, 4), x.dtype), x[None]),
    "hessian": jax.hessian(lambda x: jnp.sum((x[1:] - x[:-1] ** 2) ** 2)),
    "a tree": lambda x: {"a": x + 1, "b": (x.sum(), x[None] * x[:, None])},
}


@pytest.mark.parametrize("name", sifted(FUNCTIONS, 4))
# fewer lanes than numbers, and as many: axes are not mistaken
@pytest.mark.parametrize(
    ("lanes", "most"), [(3, 4), (4, 0), pytest.param(4, 16, marks=pytest.mark.slow)]
)
def test_scalars_give_what_arrays_give(name, most, lanes):
    function = FUNCTIONS[name]
    batch = np.stack([X, X[::-1], 2 * X, X + 1])[:lanes]
    traced = flat.trace(function, jax.ShapeDtypeStruct(X.shape, X.dtype))
    apart = jax.jit(soa.over_lanes(most, traced))(soa.apart(most, batch))
    whole = jax.vmap(function)(batch)
    together = soa.together(whole, apart)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=3e-6), together, whole)


@pytest.mark.parametrize("dim", [17, 100])
def test_nothing_is_transposed_in_a_function_of_long_arrays(dim):
    traced = flat.trace(FUNCTIONS["gradient"], jax.ShapeDtypeStruct((dim,), np.float32))
    jaxpr = jax.make_jaxpr(soa.over_lanes(16, traced))(jnp.ones((dim, 8), np.float32))
    names = [eqn.primitive.name for eqn in jaxpr.eqns]
    assert "transpose" not in names
    assert not any(name.startswith("reduce_") for name in names)


def test_taking_apart_and_putting_together_is_nothing():
    tree = {"x": jnp.arange(6.0).reshape(3, 2), "n": jnp.arange(3), "big": jnp.ones((3, 20))}
    parts = soa.apart(16, tree)
    assert [len(parts["x"]), parts["n"].shape, parts["big"].shape] == [2, (3,), (20, 3)]
    again = soa.together(tree, parts)
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), tree, again))


@pytest.mark.parametrize(
    ("name", "simple"),
    [("gradient", True), ("product", True), ("sorted", False), ("looped", False)],
)
def test_only_arithmetic_is_simple(name, simple):
    traced = flat.trace(FUNCTIONS[name], jax.ShapeDtypeStruct(X.shape, X.dtype))
    assert soa.is_simple(16, traced) is simple


def test_a_trace_has_no_calls_and_nothing_unneeded():
    def function(x):
        jnp.exp(x)  # no result needs it
        return jax.jit(lambda y: jax.nn.softplus(y))(x)

    names = [e.primitive.name for e in flat.trace(function, 1.0).closed.jaxpr.eqns]
    assert not {"jit", "pjit", "custom_jvp_call", "exp"} & set(names) - {"exp"}
    assert names.count("exp") <= 1
