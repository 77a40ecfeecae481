"""Candidates: how a preprocessor of any shape is loaded and brought to one interface."""
