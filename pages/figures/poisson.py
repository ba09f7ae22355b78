"""Messages and charts of the Poisson lab, from traces alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.iterate import Array
from core.poisson.ritz import chebyshev_bound, condition_estimate, energy_error, ritz_history
from core.registry import Scalar, Scale
from core.run import MemberView
from core.trace import TraceView
from pages.figures import roster, style
from pages.figures.pack import decimate, pack
from pages.figures.roster import indices, tone
from pages.figures.style import FigureDict

#: What the x axis may show: key → axis title.
X_AXES = {
    "iterations": "iteration k",
    "work": "work [applications of A]",
    "seconds": "CPU time, set-up included [s]",
}
#: Points of a curve while a run is live, and when it stands.
LIVE_POINTS, FINAL_POINTS = 300, 1500
#: Names short enough for a legend of six.
SHORT = {
    "cg": "CG",
    "jacobi_pcg": "Jacobi-PCG",
    "ssor_pcg": "SSOR-PCG",
    "ic_pcg": "IC-PCG",
    "mic_pcg": "MIC-PCG",
    "deflated_pcg": "deflated CG",
    "multigrid": "multigrid",
    "multigrid_pcg": "multigrid-PCG",
    "chebyshev": "Chebyshev",
    "minres": "MINRES",
    "fft_direct": "FFT direct",
    "fft_pcg": "FFT-PCG",
    "dcdm": "DCDM",
    "npsdo": "NPSDO",
    "flexible_cg": "flexible CG",
    "hybrid": "sweeps and network",
    "neural_ic": "learned IC-PCG",
    "pyamg_sa": "PyAMG SA-CG",
    "pyamg_rs": "PyAMG RS-CG",
}
#: Iterates whose Ritz values are drawn, and how many of each.
RITZ_STEPS, RITZ_EACH = 60, 40
RESIDUAL = Scalar("‖r‖ / ‖b‖", scale=Scale.LOG)


def labels(members: Sequence[roster.Entrant]) -> list[str]:
    """Return a short name of every solver; two of the same kind are told apart by what differs."""
    return roster.labels(members, SHORT)


def x_values(member: MemberView, x_axis: str) -> NDArray[Any]:
    """Return the column that the x axis shows; seconds begin with the method's set-up."""
    view = member.view
    if x_axis == "seconds":
        return view.seconds + member.setup_seconds
    return view.work["units"] if x_axis == "work" else view.k


def race(
    members: Sequence[MemberView], rhs_norm: float, x_axis: str, points: int, *, bound: bool = False
) -> FigureDict:
    """Relative residual of every method, the tolerance, and a mark where each one ended.

    Parameters
    ----------
    bound : draw for plain CG what Chebyshev polynomials promise with the κ of its Ritz values.
    """
    data, ends = [], []
    names, colours = labels(members), indices(members)
    for member, name, index in zip(members, names, colours, strict=True):
        y = member.view.scalars["residual_norm"] / (rhs_norm or 1.0)
        curve = _curve(member, y, x_axis, points)
        data.append(
            curve | {"name": name, "line": style.method_line(index), "meta": style.method_meta(index)}
        )
        if tone(member) and len(y):
            ends.append((curve["x"][-1], curve["y"][-1], tone(member)))
        if bound and member.recipe.method == "cg":
            limit = _bound(member, residual=True)
            data.append(_bound_curve(member, limit, x_axis, points, index, "Chebyshev bound of CG"))
    for outcome, symbol, role in (
        ("reached", "circle", "reached"),
        ("failed", "x", "weak"),
        ("limit", "x", "muted"),
    ):
        at = [(x, y) for x, y, t in ends if t == outcome]
        if at:
            data.append(_marks(at, symbol, role))
    figure = style.figure(data, {"title": {"text": X_AXES[x_axis]}}, style.axis(RESIDUAL))
    tolerances = {float(m.recipe.method_params.get("rtol", 0.0)) for m in members} - {0.0}
    figure["layout"]["shapes"] = [
        {
            "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": rtol, "y1": rtol, "layer": "below",
            "line": {"color": "role:muted", "width": 1, "dash": "dot"},
        }
        for rtol in sorted(tolerances)
    ]  # fmt: skip
    return figure


def _curve(member: MemberView, y: Array, x_axis: str, points: int) -> dict[str, Any]:
    y = np.where(np.isfinite(y) & (y > 0), y, np.nan)
    x = np.asarray(x_values(member, x_axis), dtype=float)
    keep = decimate(x, y, points)
    return {
        "type": "scatter", "mode": "lines" if len(keep) > 1 else "markers", "x": x[keep], "y": y[keep],
        "customdata": member.view.k[keep], "hovertemplate": "k = %{customdata}: %{y:.3e}",
    }  # fmt: skip


def _bound(member: MemberView, *, residual: bool) -> Array:
    """Return the bound over k; for the residual it has the factor √κ more."""
    condition = condition_estimate(member.view)
    limit = chebyshev_bound(condition, member.view.k.astype(float))
    return np.asarray(limit * (np.sqrt(condition) if residual else 1.0))


def _bound_curve(
    member: MemberView, limit: Array, x_axis: str, points: int, index: int, name: str
) -> dict[str, Any]:
    curve = _curve(member, limit, x_axis, points)
    line = {"width": 1.5, "dash": "dot"}
    return curve | {
        "mode": "lines", "name": name, "line": line,
        "meta": {**style.method_meta(index), "opacity": 0.7, "cursor": False},
    }  # fmt: skip


def _marks(at: Sequence[tuple[float, float]], symbol: str, role: str) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "markers", "x": np.array([x for x, _ in at]),
        "y": np.array([y for _, y in at]),
        "marker": {"symbol": symbol, "size": 8}, "hoverinfo": "skip", "showlegend": False, "name": "",
        "meta": {"role": role, "cursor": False},
    }  # fmt: skip


def is_krylov(view: TraceView) -> bool:
    """Whether the trace has the coefficients of CG."""
    return {"alpha", "beta", "rho"} <= set(view.scalars) and len(view) > 1


def energy(members: Sequence[MemberView], x_axis: str, points: int) -> FigureDict:
    """Error in the energy norm over its start, of the CG methods that ended, with the bound of each."""
    data = []
    for member, name, index in zip(members, labels(members), indices(members), strict=True):
        if not is_krylov(member.view):
            continue
        error = energy_error(member.view)
        if not error[0] > 0:
            continue
        error = np.where(np.arange(len(error)) < len(error) - 1, error / error[0], np.nan)
        curve = _curve(member, error, x_axis, points)
        data.append(
            curve | {"name": name, "line": style.method_line(index), "meta": style.method_meta(index)}
        )
        limit = _bound(member, residual=False)
        data.append(
            _bound_curve(member, limit, x_axis, points, index, f"bound, {name}") | {"showlegend": False}
        )
    return style.figure(data, {"title": {"text": X_AXES[x_axis]}}, style.axis(RESIDUAL))


def ritz(
    members: Sequence[MemberView],
    chosen: Sequence[int],
    spectrum: Array | None = None,
    steps: int = RITZ_STEPS,
) -> FigureDict:
    """Ritz values of some CG methods over the iterations; eigenvalues of A at the right edge.

    Parameters
    ----------
    chosen : which members.
    spectrum : ascending eigenvalues of A where they are known in closed form.
    steps : iterates whose values are drawn.
    """
    data = []
    names, colours = labels(members), indices(members)
    last = 1
    for m in chosen:
        view = members[m].view
        if not is_krylov(view):
            continue
        ks = np.unique(np.rint(np.geomspace(1, len(view) - 1, steps)).astype(int))
        last = max(last, int(ks[-1]))
        history = ritz_history(view, ks)
        kept = [values[spread(len(values), RITZ_EACH)] for values in history]
        meta = style.method_meta(colours[m])
        dots = {
            "type": "scatter", "mode": "markers", "name": names[m], "hovertemplate": "k = %{x}: θ = %{y:.4g}",
            "x": np.concatenate([np.full(len(values), k) for k, values in zip(ks, kept, strict=True)]),
            "y": np.concatenate(kept), "marker": {"size": 3.5}, "meta": {**meta, "cursor": False},
        }  # fmt: skip
        smallest = {
            "type": "scatter", "mode": "lines", "x": ks, "y": np.array([values[0] for values in history]),
            "line": {"width": 1}, "hoverinfo": "skip", "showlegend": False, "name": "",
            "meta": {**meta, "opacity": 0.5},
        }  # fmt: skip
        data += [dots, smallest]
    if spectrum is not None and len(spectrum):
        eigenvalues = spectrum[spread(len(spectrum), 160)]
        data.append(
            {
                "type": "scatter", "mode": "markers", "y": eigenvalues,
                "x": np.full(len(eigenvalues), 1.3 * last),
                "marker": {"size": 9, "symbol": "line-ew-open", "line": {"width": 1, "color": "role:muted"}},
                "name": "eigenvalues of A", "hovertemplate": "λ = %{y:.4g}",
                "meta": {"role": "muted", "cursor": False},
            }
        )  # fmt: skip
    y_axis = {"type": "log", "exponentformat": "power"}
    x_axis = {
        "title": {"text": "iteration k, logarithmic"},
        "type": "log",
        "tickvals": [1, 10, 100, 1000, 10000],
    }
    figure = style.figure(data, x_axis, y_axis)
    figure["layout"]["hovermode"] = "closest"
    return figure


def spread(count: int, most: int) -> NDArray[np.int64]:
    """Choose at most `most` of `count` places: both ends dense, evenly between them."""
    if count <= most:
        return np.arange(count, dtype=np.int64)
    end = most // 6
    middle = np.linspace(end, count - 1 - end, most - 2 * end)
    return np.unique(np.r_[np.arange(end), np.rint(middle).astype(np.int64), np.arange(count - end, count)])


def fingerprint(ks: NDArray[np.int64], edges: Array, shares: Array) -> FigureDict:
    """Colour what is left of the error by eigenvalue (rows) and iteration (columns).

    Parameters
    ----------
    ks : (n,) iterates. edges : (bins + 1,) eigenvalues. shares : (n, bins) error over that of k = 0.
    """
    floor = 1e-8
    shown = np.log10(np.maximum(np.sqrt(shares.T), floor))
    shown[~np.isfinite(shares.T)] = np.nan
    centres = np.sqrt(edges[:-1] * edges[1:])
    bar = {
        "thickness": 8, "outlinewidth": 0, "ticks": "", "tickfont": {"size": 11, "color": "role:muted"},
        "tickvals": [0, -2, -4, -6, -8], "ticktext": ["1", "10⁻²", "10⁻⁴", "10⁻⁶", "10⁻⁸"],
    }  # fmt: skip
    heat = {
        "type": "heatmap", "x": ks, "y": centres, "z": shown, "zmin": np.log10(floor), "zmax": 0.0,
        "colorscale": "Cividis", "colorbar": bar,
        "hovertemplate": "k = %{x}, λ = %{y:.3g}: 10^%{z:.2f} of the first error<extra></extra>",
    }  # fmt: skip
    y_axis = {"type": "log", "exponentformat": "power"}
    figure = style.figure([heat], {"title": {"text": "iteration k"}}, y_axis)
    figure["layout"]["hovermode"] = "closest"
    return figure


def conjugacy(ks: NDArray[np.int64], products: Array) -> FigureDict:
    """Colour how far every two directions are from being conjugate, logarithmic."""
    shown = np.log10(np.maximum(products, 1e-16))
    bar = {
        "thickness": 8, "outlinewidth": 0, "ticks": "", "tickfont": {"size": 11, "color": "role:muted"},
        "tickvals": [0, -4, -8, -12, -16], "ticktext": ["1", "10⁻⁴", "10⁻⁸", "10⁻¹²", "10⁻¹⁶"],
    }  # fmt: skip
    heat = {
        "type": "heatmap", "x": ks, "y": ks, "z": shown, "zmin": -16.0, "zmax": 0.0, "colorscale": "Cividis",
        "colorbar": bar, "hovertemplate": "p%{x} and p%{y}: 10^%{z:.1f}<extra></extra>",
    }  # fmt: skip
    axis = {"title": {"text": "direction of iteration"}}
    figure = style.figure([heat], axis, {"autorange": "reversed"})
    figure["layout"]["hovermode"] = "closest"
    return figure


def standings_payload(
    members: Sequence[MemberView], rhs_norm: float, *, group: str, points: int, ended: bool
) -> bytes:
    """Encode the table of ``assets/standings.js``: residual, work and seconds of every method over k."""
    arrays: dict[str, NDArray[Any]] = {}
    heads = []
    for number, (member, name, index) in enumerate(
        zip(members, labels(members), indices(members), strict=True)
    ):
        view = member.view
        residual = view.scalars["residual_norm"] / (rhs_norm or 1.0)
        keep = decimate(view.k.astype(float), residual, points)
        arrays[f"{number}.k"] = view.k[keep].astype(np.int32)
        arrays[f"{number}.residual"] = residual[keep].astype(np.float32)
        arrays[f"{number}.work"] = view.work["units"][keep].astype(np.float32)
        arrays[f"{number}.seconds"] = (view.seconds + member.setup_seconds)[keep].astype(np.float32)
        over = ended or view.status.terminal
        heads.append({"title": name, "index": index, "ended": over, "tone": tone(member)})
    return pack(arrays, {"group": group, "members": heads})
