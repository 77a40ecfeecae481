"""Diagnosis: which preprocessing a candidate really does, recovered from its outputs and proved by simulation."""
