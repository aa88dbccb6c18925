"""Simulated payments with a known truth: what happened, what three ledgers wrote, and what chaos broke."""

from paylake.simulation.faults import FaultRates
from paylake.simulation.generation import Chunk, generate
from paylake.simulation.pacing import SimulationControl, perform
from paylake.simulation.plan import Plan
from paylake.simulation.producer import publish
from paylake.simulation.totals import Totals

__all__ = ["Chunk", "FaultRates", "Plan", "SimulationControl", "Totals", "generate", "perform", "publish"]
