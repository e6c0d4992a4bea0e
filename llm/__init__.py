"""A small OpenAI-compatible server around one packaged base model: the default that enhances prompts."""
