"""What shall go wrong: stages, actions, matches, rules and sweeps."""
