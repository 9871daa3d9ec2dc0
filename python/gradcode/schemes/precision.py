"""Refusing schemes that leave no digits, and warning of those that leave few."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from gradcode.errors import CodeParameterError, PrecisionWarning
from gradcode.kernels.messages import MessageType
from gradcode.schemes.layout import Layout

__all__ = ["MAX_CONDITION", "refuse_unstable", "warn_of_messages", "warn_of_survivors"]

# A scheme whose decoding can lose this factor is refused.
MAX_CONDITION = 1e12


def refuse_unstable(scheme: Layout, max_condition: float = MAX_CONDITION) -> None:
    """Refuse a scheme that would leave no digits, by a quick look; called by constructors."""
    worst = scheme.quick_condition
    if worst > max_condition:
        raise CodeParameterError(
            f"the worst condition of decoding must be at most {max_condition:.0e}, got "
            f"{'at least ' if worst.kind == 'lower bound' else ''}{worst:.1e} for {scheme!r}: no digits would be left"
        )


def warn_of_messages(scheme: Layout, kind: MessageType) -> None:
    """Warn if messages of this type may lose more than half their digits; called by constructors of decoders."""
    if kind.name == "float64":
        return
    if (worst := scheme.quick_condition) <= kind.condition_limit:
        return
    known = "at least " if worst.kind == "lower bound" else ""
    warnings.warn(
        f"{kind.name} messages can lose {known}{math.log10(worst):.1f} of their {kind.digits} digits with {scheme!r}: "
        f"its worst condition is {known}{worst:.1e}, and survivors above {kind.condition_limit:.2g} wait for more; "
        f"take {'float64' if kind.wire is None else 'float32 messages'}, or another scheme",
        PrecisionWarning,
        stacklevel=4,
    )


def warn_of_survivors(workers: Sequence[int], condition: float, kind: MessageType) -> None:
    """Warn if decoding from these workers may lose more than half the digits of the messages."""
    if condition > kind.condition_limit:
        warnings.warn(
            f"decoding from workers {sorted(workers)} can lose {math.log10(condition):.1f} digits of messages of "
            f"{kind.name}: its condition is {condition:.1e}, above {kind.condition_limit:.2g}",
            PrecisionWarning,
            stacklevel=3,
        )
