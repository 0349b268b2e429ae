"""Drawings as figures: one file for each library that draws them."""
