# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""How evenly each episode of a recorded run was executed, as its executor told while it ran."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
import math

from lingbot_policy.execution.cadence import CadenceReport

TOLD = 'episode '  # how the executor's diagnostics begin its figures of an episode
HELD = f'{TOLD}held '
FIGURES = tuple(field.name for field in fields(CadenceReport))
# These only grow within an episode: where one is lower than before, another episode has begun.
GROWING = (
    *('chunks_used', 'late_ms_max', 'stalls', 'holds', 'edges', 'jumps_too_far'),
    *('position_jump_max', 'velocity_jump_max'),
)
NOT_RECORDED = 'not recorded'
Figured = dict[str, float | None]  # by the names of FIGURES
# What is shown: its name, unit, figures and meaning.
ROWS = (
    ('policy rate', 'Hz', ('policy_hz',), 'Chunks executed per second of motion.'),
    (
        'servo jitter',
        'ms',
        ('late_ms_p50', 'late_ms_p99', 'late_ms_max'),
        'How late a command was sent: median, p99, largest.',
    ),
    ('stalls', '', ('stalls',), 'Holds because the next chunk did not come in time.'),
    ('holds', '', ('holds',), 'How often motion ended in a hold, for any reason.'),
    (
        'position jump',
        'rad',
        ('position_jump_median', 'position_jump_p95', 'position_jump_max'),
        'Between two plans where a chunk takes over, of the worst joint: median, p95, largest.',
    ),
    (
        'velocity jump',
        'rad/s',
        ('velocity_jump_median', 'velocity_jump_p95', 'velocity_jump_max'),
        'The same of what the new plan asks for within one command: median, p95, largest.',
    ),
    ('chunk edges', '', ('edges',), 'How often a chunk took over from another: so many jumps.'),
    ('jumps too far', '', ('jumps_too_far',), 'Edges farther apart than one command may go.'),
    ('jerk', 'rad/s\u00b3', ('jerk_rms', 'jerk_p95'), 'Of what was commanded: rms, p95.'),
)


@dataclass(frozen=True)
class EpisodeCadence:
    """
    What was last told of an episode, at most 1 s before its end or the bag's.

    ``figures`` go by the names and units of :class:`CadenceReport`, None where one was not
    recorded; ``holds`` by reason. ``strategies`` are those which executed a chunk, in order.
    """

    strategies: tuple[str, ...]
    figures: Figured
    holds: dict[str, int]


def read_cadence(told: Iterable[Mapping[str, str]]) -> tuple[EpisodeCadence, ...] | None:
    """
    Return the episodes in which something was commanded.

    :param told: the values of the executor's diagnostics, in order.
    :returns: None where they say nothing of episodes, or there are none.
    """
    known = [values for values in told if any(TOLD + name in values for name in FIGURES)]
    if not known:
        return None
    episodes = []
    for values in known:
        figures = {name: _number(values.get(TOLD + name)) for name in FIGURES}
        if not episodes or _is_less(figures, episodes[-1][-1][0]):
            episodes.append([])
        episodes[-1].append((figures, values))
    return tuple(_episode(told) for told in episodes if any(told[-1][0].values()))


def cadence_table(episodes: tuple[EpisodeCadence, ...]) -> tuple[tuple[str, ...], list]:
    """Return the head and the rows of a table with a column of values for each episode."""
    count = len(episodes)
    values = ['value'] if count == 1 else [f'episode {i}' for i in range(1, count + 1)]
    shown = [
        (name, *(_cell(episode, figures) for episode in episodes), unit, meaning)
        for name, unit, figures, meaning in ROWS
    ]
    names = [', '.join(episode.strategies) or 'no chunk executed' for episode in episodes]
    strategy = ('strategy', *names, '', 'How a chunk followed the one before.')
    return ('', *values, 'unit', 'meaning'), [strategy, *shown]


def _is_less(figures: Figured, before: Figured) -> bool:
    return any((figures[name] or 0) < (before[name] or 0) for name in GROWING)


def _episode(told: list[tuple[Figured, Mapping[str, str]]]) -> EpisodeCadence:
    strategies, used = [], 0
    for figures, values in told:
        if (figures['chunks_used'] or 0) > used:
            used = figures['chunks_used']
            strategies.append(values.get('strategy', NOT_RECORDED))
    figures, values = told[-1]
    held = {k.removeprefix(HELD): _number(v) for k, v in values.items() if k.startswith(HELD)}
    return EpisodeCadence(
        tuple(dict.fromkeys(strategies)),
        figures,
        {reason: int(count) for reason, count in held.items() if count is not None},
    )


def _cell(episode: EpisodeCadence, names: tuple[str, ...]) -> str:
    known = [episode.figures[name] for name in names]
    if all(figure is None for figure in known):
        return NOT_RECORDED
    text = ' / '.join(_shown(figure) for figure in known)
    if names != ('holds',) or not episode.holds:
        return text
    return f'{text}: ' + ', '.join(f'{n} {reason}' for reason, n in episode.holds.items())


def _shown(figure: float | None) -> str:
    if figure is None:
        return '?'
    return f'{figure:.4g}' if isinstance(figure, float) else str(figure)


def _number(text: str | None) -> float | None:
    """Return a finite number, whole ones as int, None for anything else."""
    try:
        number = float(text) if text else math.nan
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if text.isdecimal() else number
