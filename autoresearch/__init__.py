"""Machine-learning research overnight that can be believed in the morning."""

__version__ = "0.1.0"
