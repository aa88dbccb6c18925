"""Simulated payments with a known truth: what happened, what three ledgers wrote, and what chaos broke."""

from paylake.simulation.generation import Chunk, generate
from paylake.simulation.plan import Plan
from paylake.simulation.producer import Totals, publish

__all__ = ["Chunk", "Plan", "Totals", "generate", "publish"]
