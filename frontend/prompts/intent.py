"""What a prompt asks for, before anything is added to it."""

from frontend.domain.prompt_intent import PromptIntent
from frontend.prompts import prompt as prompts
from frontend.prompts.prompt import Prompt


def intent_of(prompt: Prompt, explicit_negative: str) -> PromptIntent:
    return PromptIntent(", ".join(prompt.positive), prompt.negative + prompts.split(explicit_negative))
