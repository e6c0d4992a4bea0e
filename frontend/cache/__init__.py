"""The semantic cache: pictures of earlier prompts for new ones that mean the same."""
