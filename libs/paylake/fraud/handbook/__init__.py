"""The public fraud benchmark: data, protocols, models and published figures of the Fraud Detection Handbook."""
