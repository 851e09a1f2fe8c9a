"""The page of a run: what the servers received, by test, as one HTML file; its export and its merging."""
