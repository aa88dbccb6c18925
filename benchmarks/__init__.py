"""What paylake costs: measurements that quote a figure only after checking the result that it belongs to."""
