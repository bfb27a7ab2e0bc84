"""How a training run becomes a preset, and what was measured becomes a page; not installed.

python -m releasing.preset --workdir=RUN --name=ARCH_xSCALE --data=Set5,Set14,BSD100
python -m releasing.pages
"""
