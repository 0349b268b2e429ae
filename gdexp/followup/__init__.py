"""What needs more runs than a sweep has: its learning rates bisected, a sample of it replayed.

Everything here says how many runs it makes, and leaves the sweep as it is.
"""
