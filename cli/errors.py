class UserError(Exception):
    """One line for whoever typed the command."""
