"""Train the demonstration's model: train_demo_model.py [REGISTRY]."""

import sys

from paylake.demo_model import train_demo_model

print(f"paylake-fraud version {train_demo_model(*sys.argv[1:2])} reigns.")
