class ModelError(Exception):
    """One line for whoever adds or removes a model; it says what to do."""
