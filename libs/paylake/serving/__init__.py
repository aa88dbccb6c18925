"""What dashboards and applications read by key: items of published figures, and how each store keeps the newest of them."""
