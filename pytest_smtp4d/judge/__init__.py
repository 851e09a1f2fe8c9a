"""Judges any program that sends mail: it runs undisturbed, and once under every fault of the sweep."""
