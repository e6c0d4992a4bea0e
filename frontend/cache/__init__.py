"""The semantic cache: pictures found again by what their prompts mean."""
