"""What an hour of the machine costs, and how much a study may spend."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from autoresearch.config import MoneySettings
from autoresearch.records.tables import Study
from autoresearch.registry import Spending

# US dollars an hour of one card on demand, as clouds that rent single cards asked in 2026. They
# are shown, so that a night's cost can be judged; only `[money] gpu_hour_usd` counts against caps.
CARD_HOUR_USD: Mapping[str, float] = MappingProxyType(
    {
        "B300": 6.5, "B200": 5.0, "GH200": 2.0, "H200": 3.5, "H100": 2.5, "A100": 1.6,
        "L40S": 0.9, "L40": 0.8, "L4": 0.6, "A40": 0.5, "A10G": 0.9, "A10": 0.75, "A6000": 0.6,
        "V100": 0.5, "T4": 0.35, "5090": 0.7, "4090": 0.45, "3090": 0.25,
    }
)  # fmt: skip


@dataclass(frozen=True)
class GpuRate:
    """What an hour of the machine costs, in US dollars.

    `name` is what the price is of; `counted`: the settings give it, so it counts against caps.
    """

    hour_usd: float
    name: str
    counted: bool

    def cost(self, seconds: float) -> float:
        """Return what this many seconds cost."""
        return seconds * self.hour_usd / 3600


@dataclass(frozen=True)
class Tariff:
    """What is known of money beyond the registry: the study's cap, and the machine's price."""

    study_usd: float | None = None
    gpu: GpuRate | None = None

    def total(self, account: Spending) -> float:
        """Return what a proposer cost: calls, and training where that has a price."""
        return account.usd + (self.gpu.cost(account.gpu_seconds) if self.gpu else 0.0)


def tariff(settings: MoneySettings, study: Study, card: str | None) -> Tariff:
    """Return the tariff for a study on this machine; `card` is its GPU's name, if it has one."""
    if settings.gpu_hour_usd is not None:
        name = "machine" if study.device == "cpu" else "GPU"
        return Tariff(settings.study_usd, GpuRate(settings.gpu_hour_usd, name, counted=True))
    words_of_name = re.findall(r"[A-Z0-9]+", (card or "").upper())
    known = next((each for each in words_of_name if each in CARD_HOUR_USD), None)
    if known is None or study.device == "cpu":
        return Tariff(settings.study_usd)
    return Tariff(settings.study_usd, GpuRate(CARD_HOUR_USD[known], known, counted=False))
