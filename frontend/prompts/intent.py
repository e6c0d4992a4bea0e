"""What a prompt asks for, before anything is added to it."""

from frontend.domain.prompt_intent import PromptIntent
from frontend.prompts.prompt import Prompt, refusals


def intent_of(prompt: Prompt, explicit_negative: str) -> PromptIntent:
    return PromptIntent(", ".join(prompt.positive), prompt.negative + refusals(explicit_negative))
