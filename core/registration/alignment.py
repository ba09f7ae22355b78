"""The one loop of iterative registration: match, linearise, treat, move; coarse to fine.

A method chooses the factor (point-to-plane or point-to-point) and the treatment of the 6x6 system (plain
solve, DCReg, …); everything else is shared, so that methods differ in nothing but what they claim to differ
in. Item k holds T_k and the correspondences found at T_k.

    T ← T·Exp(δ), H δ = g, H = Σ w JᵀJ, g = −Σ w Jᵀ r

Each item also holds the solution of its own system: the step that leads on from T_k.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from core.iterate import Array, Iterate, Lazy, Status, Work
from core.linalg.lie import exp_se3, exp_so3, pose
from core.registration.correspondences import Factor, Linearisation, LinearisedSystem, make_linearisation
from core.registration.degeneracy import condition_numbers
from core.registration.evidence import Pairs
from core.registration.kernels import ROBUST
from core.registration.problem import ScanPair, require_pair
from core.registration.settings import AlignmentSettings
from core.registration.solvers import SOLVERS, SituatedTreatment, Situation, Step, Treatment

#: With fewer pairs six motions are not worth estimating.
MIN_CORRESPONDENCES = 10
#: A coarse level hands over when its step is below this multiple of the tolerances.
COARSE_TOLERANCE = 10.0
#: A thinned start hands over when ‖v‖ + lever·‖ω‖ is below this [m]; it keeps at least so many points.
THINNED_STEP, THINNED_LEVER, THINNED_POINTS = 0.05, 20.0, 300
#: A step of more than this [m] is the solution of no system worth the name.
LARGEST_STEP = 1e6
#: Poses remembered to recognise a cycle, and how near (in tolerances) a pose must come back.
CYCLE_LENGTH, CYCLE_NEARNESS, CYCLE_AFTER = 8, 0.01, 10

#: Gives the normal equations at a pose (4, 4); keeps state of one run, so that each stage has its own.
Linearise = Callable[[Array], LinearisedSystem]
#: Makes a method's own linearisation: index of the level in `ScanPair.levels`, stride of the source's points,
#: largest distance of a pair [m], scale of the robust kernel [m].
MakeLinearise = Callable[[int, int, float, float], Linearise]


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """A part of the run with fixed points and radius.

    `evidence` gives the unweighted point-to-plane system where `linearise` gives another.
    """

    linearise: Linearise
    evidence: Linearisation | None
    points: int
    level: int
    max_distance: float
    tolerances: tuple[float, float]
    is_thinned: bool


def align(
    pair: ScanPair,
    settings: AlignmentSettings,
    treatment: Treatment | SituatedTreatment,
    *,
    factor: Factor = "plane",
    correspondence: str = "nearest",
    make_linearise: MakeLinearise | None = None,
) -> Iterator[Iterate]:
    """Align the source of `pair` to its target.

    Parameters
    ----------
    treatment : turns H (6, 6) and g (6,) into a step, or does so knowing the pairs behind them.
    factor : what is minimised, distances to planes or to points.
    correspondence : "nearest" or "loam".
    make_linearise : gives a method's own normal equations in place of those two; they carry the unweighted
        point-to-plane sums too, for the rmse.

    Yields
    ------
    Item k: x = T_target_source (4, 4) in the user's frames; scalars `SCALARS` and the treatment's; arrays
    ``H`` (6, 6) and ``g`` (6,) in the source frame, and ``plane_hessian`` (6, 6), the unweighted
    point-to-plane Hessian, where ``H`` is another.

    Raises
    ------
    ValueError
        If a setting is none of those offered, the problem is no pair or it does not fit the model.
    """
    require_pair(pair)
    if (
        settings.kernel not in ROBUST
        or settings.solver not in SOLVERS
        or settings.update not in ("se3", "so3")
    ):
        raise ValueError(f"unknown kernel, solver or update: {settings}")
    if settings.max_iterations < 1 or settings.start_stride < 1:
        raise ValueError("max_iterations and start_stride must be at least 1")
    if not (settings.rtol_rotation > 0.0 and settings.rtol_translation > 0.0):
        raise ValueError("the tolerances must be positive")
    stages = _stages(pair, settings, factor, correspondence, make_linearise)
    return _iterates(_Run(pair, settings, treatment), stages)


def _stages(
    pair: ScanPair,
    settings: AlignmentSettings,
    factor: Factor,
    correspondence: str,
    make_linearise: MakeLinearise | None,
) -> list[_Stage]:
    """Return the stages, coarsest first."""
    # weak directions are judged by the unweighted planes of all pairs, whatever a method minimises
    needs_evidence = (
        make_linearise is not None
        or factor == "point"
        or (settings.kernel != "l2" and correspondence == "nearest")
    )

    def stage(source: Array, index: int, stride: int) -> _Stage:
        level = len(pair.levels) - 1 - index
        target, radius = pair.levels[index].target, settings.max_distance * 2.0**level
        scale = settings.kernel_scale * 2.0**level
        loose = COARSE_TOLERANCE if level else 1.0

        def linearisation(factor: Factor, kernel: str) -> Linearisation:
            return make_linearisation(
                source, target, correspondence="loam" if correspondence == "loam" else "nearest",
                factor=factor, kernel=kernel, kernel_scale=scale, max_distance=radius,
            )  # fmt: skip

        return _Stage(
            linearise=make_linearise(index, stride, radius, scale)
            if make_linearise
            else linearisation(factor, settings.kernel),
            evidence=linearisation("plane", "l2") if needs_evidence else None,
            points=len(source),
            level=level,
            max_distance=radius,
            tolerances=(loose * settings.rtol_rotation, loose * settings.rtol_translation),
            is_thinned=stride > 1,
        )

    stages = [stage(level.source, i, 1) for i, level in enumerate(pair.levels)]
    coarsest = pair.levels[0].source
    stride = min(settings.start_stride, len(coarsest) // THINNED_POINTS)
    if stride > 1:
        stages.insert(0, stage(np.ascontiguousarray(coarsest[::stride]), 0, stride))
    return stages


def _iterates(run: _Run, stages: list[_Stage]) -> Iterator[Iterate]:
    """Go through the stages; only the last one ends the run.

    An early stage may use an equal share of the iterations that are left, so that the last one gets at least
    its own share, and more if the others settle early.
    """
    for i, stage in enumerate(stages):
        is_last = i == len(stages) - 1
        allowance = run.iterations_left // (len(stages) - i)
        if not is_last and allowance == 0:
            continue
        obstacle = run.evaluate(stage)
        if run.nothing_shown:
            starts_settled = obstacle is None and run.next_step_is_small(stage)
            if not is_last and (starts_settled or obstacle):
                continue
            if starts_settled:
                obstacle = (Status.CONVERGED, "the start satisfies the tolerances: " + run.next_step_text())
            yield run.item(stage, obstacle)
            if obstacle:
                return
        elif obstacle and is_last:  # the pose of the coarser level is of no use here
            run.stay()
            yield run.item(stage, obstacle)
            return
        taken = 0
        while is_last or not (obstacle or taken == allowance or run.has_settled(stage) or run.repeats(stage)):
            run.advance()
            taken += 1
            obstacle = run.evaluate(stage)
            end = (obstacle or run.verdict(stage)) if is_last else None
            yield run.item(stage, end)
            if end:
                return


class _Run:
    """The state of one alignment."""

    def __init__(
        self, pair: ScanPair, settings: AlignmentSettings, treatment: Treatment | SituatedTreatment
    ) -> None:
        self._pair, self._settings, self._treatment = pair, settings, treatment
        self._fine_points = len(pair.levels[-1].source)
        self._T = self._T_start = pair.to_internal(pair.T_initial)
        self._k = 0
        self._turned = self._moved = 0.0
        self._stage: _Stage | None = None
        self._recent: deque[Array] = deque(maxlen=CYCLE_LENGTH)
        self._system: LinearisedSystem
        self._step = Step(np.zeros(6))
        self._conditions = (math.nan, math.nan, math.nan)
        self._evaluations = self._products = 0
        self._units = 0.0
        self.nothing_shown = True

    @property
    def iterations_left(self) -> int:
        return self._settings.max_iterations - self._k

    def evaluate(self, stage: _Stage) -> tuple[Status, str] | None:
        """Match at the present pose and solve; return what stands in the way of a step, if anything."""
        if stage is not self._stage:
            self._stage = stage
            self._recent.clear()
        self._system = system = stage.linearise(self._T)
        self._evaluations += 1
        self._units += stage.points / self._fine_points
        self._step, self._conditions = Step(np.zeros(6)), (math.nan, math.nan, math.nan)
        if not math.isfinite(float(np.vdot(system.H, system.H) + np.vdot(system.g, system.g))):
            return Status.DIVERGED, f"the normal equations are not finite at k = {self._k}"
        if system.correspondences < MIN_CORRESPONDENCES:
            return Status.BREAKDOWN, (
                f"{system.correspondences} of {stage.points} source points have a partner within "
                f"{stage.max_distance:g} m, {MIN_CORRESPONDENCES} are needed: raise max_distance or give a "
                "better start"
            )
        self._conditions = condition_numbers(system.H)
        step = self._treat(stage, system)
        self._products += step.products
        if step.obstacle:
            self._step = step
            return Status.BREAKDOWN, f"{step.obstacle} at k = {self._k}"
        turn, move = _norms(step.delta)
        if not (math.isfinite(turn) and math.isfinite(move)):
            return Status.BREAKDOWN, f"the normal equations have no finite solution at k = {self._k}"
        if move > LARGEST_STEP:
            return Status.DIVERGED, f"the next step would move by {move:.1e} m"
        self._step = step
        return None

    def _treat(self, stage: _Stage, system: LinearisedSystem) -> Step:
        """Solve the system as the method does."""
        if isinstance(self._treatment, SituatedTreatment):
            situation = Situation(self._T, self._T_start, partial(_pairs, stage.linearise, self._T))
            return self._treatment.treat(system.H, system.g, situation)
        return self._treatment(system.H, system.g)

    def advance(self) -> None:
        """Take the step that the system at the present pose gives."""
        delta = self._step.delta
        self._recent.append(self._T)
        self._T = retract(self._T, delta, self._settings.update)
        self._turned, self._moved = _norms(delta)
        self._k += 1

    def stay(self) -> None:
        """Count an iteration that moves nothing."""
        self._turned = self._moved = 0.0
        self._k += 1

    def next_step_is_small(self, stage: _Stage) -> bool:
        """Whether the step that would follow is below the stage's tolerances."""
        return _is_small(stage, *_norms(self._step.delta))

    def next_step_text(self) -> str:
        turn, move = _norms(self._step.delta)
        return f"the next step would turn {turn:.1e} rad and move {move:.1e} m"

    def has_settled(self, stage: _Stage) -> bool:
        """Whether the last step, taken in this stage, was below its tolerances."""
        return bool(self._recent) and _is_small(stage, self._turned, self._moved)

    def repeats(self, stage: _Stage) -> bool:
        """Whether the pose has come back to an earlier one of this stage: pairs flip to and fro for ever."""
        if len(self._recent) < CYCLE_LENGTH or self._k < CYCLE_AFTER:
            return False
        rotation, translation = (CYCLE_NEARNESS * tolerance for tolerance in stage.tolerances)
        return any(_are_near(earlier, self._T, rotation, translation) for earlier in self._recent)

    def verdict(self, stage: _Stage) -> tuple[Status, str] | None:
        """Return why the run ends at the present pose, or None."""
        if self.has_settled(stage):
            return Status.CONVERGED, self._last_step_text()
        if self.repeats(stage):
            text = self._last_step_text()
            return Status.STALLED, f"the pose repeats itself because pairs flip to and fro; {text}"
        if self.iterations_left <= 0:
            return Status.MAX_ITERATIONS, self._last_step_text()
        return None

    def _last_step_text(self) -> str:
        return f"the last step turned {self._turned:.1e} rad and moved {self._moved:.1e} m"

    def item(self, stage: _Stage, end: tuple[Status, str] | None) -> Iterate:
        """Return the item of the present pose."""
        self.nothing_shown = False
        system, T = self._system, self._T
        rotation, translation, full = self._conditions
        arrays: dict[str, Lazy] = {"H": system.H.copy, "g": system.g.copy, **self._step.arrays}
        if stage.evidence is not None:
            arrays["plane_hessian"] = partial(_hessian, stage.evidence, T)
        return Iterate(
            k=self._k,
            x=partial(self._pair.to_user, T),
            scalars={
                "rmse": system.rmse,
                "fitness": system.correspondences / stage.points,
                "correspondences": float(system.correspondences),
                "step_rotation": self._turned,
                "step_translation": self._moved,
                "condition_rotation": rotation,
                "condition_translation": translation,
                "condition_full": full,
                "level": float(stage.level),
                "max_distance": stage.max_distance,
                **self._step.scalars,
            },
            arrays=arrays,
            work=Work(operator=self._products, evaluation=self._evaluations, units=self._units),
            status=end[0] if end else Status.RUNNING,
            note=end[1] if end else "",
        )


def retract(T: Array, delta: Array, update: str) -> Array:
    """Return the pose (4, 4) that the step `delta` (6,) leads to; `update` as in `AlignmentSettings`."""
    if update == "so3":
        return T @ pose(exp_so3(delta[:3]), delta[3:])
    return T @ exp_se3(delta)


def _pairs(linearise: object, T: Array) -> Pairs:
    """Return the pairs of the latest system, which was that of `T`."""
    if not isinstance(linearise, Linearisation):
        raise ValueError(
            "pairs are looked at, and these normal equations are not made of point-to-plane pairs"
        )
    return linearise.pairs(T)


def _hessian(linearise: Linearisation, T: Array) -> Array:
    return linearise(T).H


def _norms(delta: Array) -> tuple[float, float]:
    """Return ‖ω‖ [rad] and ‖v‖ [m]."""
    a, b, c, x, y, z = delta.tolist()
    return math.sqrt(a * a + b * b + c * c), math.sqrt(x * x + y * y + z * z)


def _are_near(A: Array, B: Array, rotation: float, translation: float) -> bool:
    """Whether no entry of two poses differs by more than the tolerances."""
    moved = any(abs(a - b) > translation for a, b in zip(A[:3, 3].tolist(), B[:3, 3].tolist(), strict=True))
    return not moved and float(np.abs(A[:3, :3] - B[:3, :3]).max()) < rotation


def _is_small(stage: _Stage, turned: float, moved: float) -> bool:
    """Whether a step is small enough to leave the stage."""
    if stage.is_thinned:
        return moved + THINNED_LEVER * turned < THINNED_STEP
    rotation, translation = stage.tolerances
    return turned < rotation and moved < translation
