class CharacterError(Exception):
    """One line for whoever adds or removes a character; nothing was changed."""
