"""Prints every architecture of the registry with its cost, in one table."""

import sys

from zoo.errors import exit_on_usage_error
from zoo.program import Parser, program, quiet_tensorflow


@exit_on_usage_error
def main(arguments: list[str] | None = None) -> int:
    """The command, which takes no flags but --help."""
    Parser(prog=program("zoo.complexity"), description=__doc__).parse_args(arguments)
    quiet_tensorflow()
    from zoo.complexity.table import summary

    summary()
    return 0


if __name__ == "__main__":
    sys.exit(main())
