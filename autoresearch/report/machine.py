"""How large a study's noise is, what can be seen through it, where the machine was looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from autoresearch import policy
from autoresearch.records.tables import Study
from autoresearch.records.values import Reading
from autoresearch.registry import Registry


@dataclass(frozen=True)
class Machine:
    """A study's noise, what can be seen through it, and where the machine was looked at again."""

    noise: policy.Noise
    power: policy.Power
    advice: str | None
    checks: tuple[tuple[int, policy.Drift], ...]

    @classmethod
    def of(
        cls,
        registry: Registry,
        study: Study,
        readings: Mapping[int, Sequence[Reading]],
        scale: policy.Scale,
    ) -> Self:
        """Read it from a study's trials; a check is told with the number of its trial.

        Raises:
            RegistryError: the registry is damaged.
        """
        noise = policy.noise(readings, scale.noise)
        power = policy.power(noise, scale)
        checks = tuple(
            (each.trial, policy.drift(each.again, each.then, noise, study.metric))
            for each in registry.repeats(study)
        )
        return cls(noise, power, policy.advice(power, study.device, study.clock), checks)
