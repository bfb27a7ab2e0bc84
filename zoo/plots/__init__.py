"""Pictures of kernels, checkerboards, costs and errors, each by one command: `zoo plots NAME --output=…`.

Every module of this room keeps what is measured apart from how it is drawn. Charts and maps need matplotlib, which the
extra `[plots]` installs: axes, logarithms and colour bars are its work.
"""
