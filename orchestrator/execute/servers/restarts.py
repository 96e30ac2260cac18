"""When a server that died is started again: a few times, later each time; never if it was never up. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

NEVER, ON_FAILURE = "never", "on-failure"
DELAYS = (1.0, 5.0, 25.0)
WINDOW = 600.0


@dataclass(slots=True)
class Restarts:
    """The restarts of one server.

    Attributes:
        policy: NEVER or ON_FAILURE.
        at: when each was, in seconds of any clock that only goes on.
    """

    policy: str
    at: list[float] = field(default_factory=list)

    def delay(self, now: float, *, was_ready: bool) -> float | None:
        """Seconds to wait before it is started again; None when it is not.

        A server that never answered is wrongly set up, and starting it again changes nothing.

        >>> restarts = Restarts(ON_FAILURE)
        >>> [restarts.delay(now, was_ready=True) for now in (0, 10, 20, 30)]
        [1.0, 5.0, 25.0, None]
        """
        recent = [moment for moment in self.at if now - moment < WINDOW]
        if self.policy == NEVER or not was_ready or len(recent) >= len(DELAYS):
            return None
        self.at.append(now)
        return DELAYS[len(recent)]
