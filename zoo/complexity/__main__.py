"""`python -m zoo.complexity`: every model of the registry in one table."""

from zoo.complexity import summary

if __name__ == "__main__":
    summary()
