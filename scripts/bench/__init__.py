"""What `scripts/benchmark.py` is made of; imported by nothing else."""
