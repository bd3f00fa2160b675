"""`python -m penstock.simulator`: the command `penstock sim`."""

from penstock.cli.sim import command

command(prog_name="penstock sim")
