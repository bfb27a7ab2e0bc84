"""Prints every architecture of the registry with its cost, in one table."""

import argparse
import sys

from zoo.complexity import summary
from zoo.program import program


def main(arguments: list[str] | None = None) -> int:
    """The command, which takes no flags but --help."""
    argparse.ArgumentParser(prog=program("zoo.complexity"), description=__doc__).parse_args(arguments)
    summary()
    return 0


if __name__ == "__main__":
    sys.exit(main())
