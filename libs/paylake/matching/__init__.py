"""Reconciliation by a rule set: sources, an ordered cascade of tiers, breaks, and the proof."""
