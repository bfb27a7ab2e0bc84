"""Files on the CPU kernels that phones use: LiteRT for ARM64, run by an emulator.

    python -m export.arm --install            # QEMU, an ARM64 Python and LiteRT for it, in a folder
    python -m export.arm fsrcnn_x3            # all formats of a preset, held against this machine's CPU
    zoo check FILE.tflite --arm

The emulator tells what is right, not how fast a phone is.
"""
