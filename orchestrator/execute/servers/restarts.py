"""When a server that died is restarted: a few times, with growing delays, if it was once ready. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

NEVER, ON_FAILURE = "never", "on-failure"
DELAYS = (1.0, 5.0, 25.0)
WINDOW = 600.0


@dataclass(slots=True)
class Restarts:
    """The restarts of one server under a policy; `at` holds when each happened, by a monotonic clock."""

    policy: str
    at: list[float] = field(default_factory=list)

    def delay(self, now: float, *, was_ready: bool) -> float | None:
        """Seconds to wait before the next start; None for no restart.

        A server that was never ready is configured wrongly, and a restart would not change that.

        >>> restarts = Restarts(ON_FAILURE)
        >>> [restarts.delay(now, was_ready=True) for now in (0, 10, 20, 30)]
        [1.0, 5.0, 25.0, None]
        """
        recent = [moment for moment in self.at if now - moment < WINDOW]
        if self.policy == NEVER or not was_ready or len(recent) >= len(DELAYS):
            return None
        self.at.append(now)
        return DELAYS[len(recent)]
