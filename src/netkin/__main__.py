"""``python -m netkin``, which is the command ``netkin``."""

from netkin.command import main

if __name__ == "__main__":
    main()
