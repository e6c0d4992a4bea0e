"""The same jobs in the shape that OpenAI's clients ask for (docs/openai.md)."""
