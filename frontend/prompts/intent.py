"""What a prompt asks for, before anything is added to it."""

from frontend.domain.prompt_intent import PromptIntent
from frontend.prompts.prompt import Reading, refusals


def intent_of(asked: Reading, explicit_negative: str) -> PromptIntent:
    prompt = asked.prompt
    return PromptIntent(
        ", ".join(prompt.positive), prompt.negative + refusals(explicit_negative), asked.notes
    )
