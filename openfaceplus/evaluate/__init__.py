"""Evaluation: protocols say who is compared with whom, metrics take arrays and know no models."""
