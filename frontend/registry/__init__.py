"""Every picture that was made here, kept for good: how a copy that comes back is known again."""
