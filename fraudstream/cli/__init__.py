"""The command line: argparse and printing, one module a command."""
