"""What the tests of int8 ask of a graph."""


def output(of, images, *settings):
    """What a simulation gives, for settings as it runs with them."""
    return of.run(images, *settings)[of.output].numpy()


def kinds(of):
    """Of its operations."""
    return {operation[0] for operation in of.operations}


def channels(of):
    """(number, slopes) of each PReLU."""
    for number, (name, inputs, _, _) in enumerate(of.operations):
        if name == "PRELU":
            yield number, of.constants[inputs[1]]
