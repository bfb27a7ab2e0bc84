"""How fast the project is against what a user would pick instead: `python -m benchmarks.NAME [--json=FILE]`."""
