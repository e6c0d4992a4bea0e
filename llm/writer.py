"""llama.cpp around one model file: text in, details out, one at a time."""

import threading
from pathlib import Path

from cyllama.llama import llama_cpp

from llm.framing import HEAD, extract_details, frame_idea
from llm.write_request import WriteRequest, WrittenText

CONTEXT = 1_024  # tokens; also the largest batch, so that a prompt is always read in one
MAX_IDEA_TOKENS = 320  # it stands in the frame twice: 2 * 320 + about 210 of frame + MAX_TOKENS < CONTEXT


class Writer:
    """Not for two threads at a time, but for `stop`."""

    def __init__(self, path: Path, threads: int) -> None:
        llama_cpp.disable_logging()
        llama_cpp.ggml_backend_load_all()
        model_options = llama_cpp.LlamaModelParams()
        model_options.n_gpu_layers = 0
        self._model = llama_cpp.LlamaModel(str(path), model_options)
        self._vocab = self._model.get_vocab()
        options = llama_cpp.LlamaContextParams()
        options.n_ctx = options.n_batch = CONTEXT
        options.n_threads = options.n_threads_batch = threads
        options.swa_full = True  # keeps all of the head, however much was written after it
        options.no_perf = True
        self._context = llama_cpp.LlamaContext(self._model, options)
        # Read once and kept: it is most of the text, and reading is most of the time.
        head = self._tokens(HEAD, start=True)
        self._head = len(head)
        self._read(head, 0)

    def write(self, ask: WriteRequest, stop: threading.Event) -> WrittenText:
        """The idea and what the model adds to it; less of it once `stop` is set."""
        idea = self._shorten_idea(ask.idea)
        prompt = self._tokens(frame_idea(idea))
        self._context.memory_seq_rm(0, self._head, -1)
        self._read(prompt, self._head)
        sampler = _make_sampler(ask)
        written: list[int] = []
        details, ended = "", False
        while not ended and len(written) < ask.max_tokens and not stop.is_set():
            token = sampler.sample(self._context, -1)
            if self._vocab.is_eog(token) or self._vocab.is_control(token):
                ended = True
            else:
                written.append(token)
                details, ended = extract_details(self._vocab.detokenize(written))
                self._read([token], self._head + len(prompt) + len(written) - 1)
        text = f"{idea}, {details}" if details else idea
        return WrittenText(text, self._head + len(prompt), len(written), ended)

    def _read(self, tokens: list[int], position: int) -> None:
        self._context.decode(llama_cpp.llama_batch_get_one(tokens, position))

    def _tokens(self, text: str, start: bool = False) -> list[int]:
        # parse_special=False: what users write never becomes a control token.
        tokens: list[int] = self._vocab.tokenize(text, add_special=start, parse_special=False)
        return tokens

    def _shorten_idea(self, idea: str) -> str:
        while len(self._tokens(idea)) > MAX_IDEA_TOKENS:
            idea = idea[: len(idea) // 2].rstrip(" ,")
        return idea


def _make_sampler(ask: WriteRequest) -> llama_cpp.LlamaSampler:
    sampler = llama_cpp.LlamaSampler(llama_cpp.LlamaSamplerChainParams())
    sampler.add_penalties(64, 1.15, 0.0, 0.0)
    if ask.temperature == 0:
        sampler.add_greedy()
        return sampler
    sampler.add_top_k(40)
    sampler.add_top_p(0.9, 1)
    sampler.add_temp(ask.temperature)
    sampler.add_dist(ask.seed)
    return sampler
