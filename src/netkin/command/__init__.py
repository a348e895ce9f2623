"""The command line ``netkin``: one module for each command, each a call of the library."""

from netkin.command.app import main

__all__ = ["main"]
