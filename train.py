"""Trains a network of the zoo: `python train.py --model=espcn --scale=3 --data=FOLDER --workdir=runs/espcn_x3`.

The same command goes on where a run was stopped. `--help` lists every choice.
"""

from zoo.train_command import main

if __name__ == "__main__":
    main()
