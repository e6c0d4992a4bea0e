"""What a prompt asks for, before anything is added to it."""

from frontend.domain.prompt_intent import PromptIntent
from frontend.prompts.prompt import Reading


def intent_of(asked: Reading) -> PromptIntent:
    return PromptIntent(", ".join(asked.prompt.positive), asked.prompt.negative + asked.refused)
