"""The words that the rules know, from the lists in words/."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from frontend.cache.rules.inflections import Form, Inflections, inflections
from frontend.cache.rules.lists import lines, rows, terms
from frontend.cache.rules.word import VAGUE, Token, WordKind

Phrase = tuple[tuple[str, ...], Token]
MAX_WORD = 40
"""Characters of a word that is worth remembering; text is the users', so all that is kept is bounded."""


@dataclass(frozen=True)
class Vocabulary:
    inflections: Inflections
    synonyms: Mapping[str, str]
    modifiers: Mapping[str, bool]  # by the word as written: whether it is a noun as well
    colours: frozenset[str]  # lemmas
    places: Mapping[str, int]
    single: Mapping[str, Token]  # by the word as written
    phrases: Mapping[str, tuple[Phrase, ...]]
    """By the base of the first word: the bases of all words, and what they say. Longest first."""

    def token(self, word: str) -> Token:
        """Of a word in lower case."""
        return self.single.get(word) or self._open(word)

    def _open(self, word: str) -> Token:
        form = self.inflections.form(word)
        lemma = self.synonyms.get(word) or self.synonyms.get(form.base) or form.base
        if form.base in self.inflections.nouns and not form.verb and lemma in self.inflections.verbs:
            lemma = form.base  # a watch is no look
        if word in self.synonyms and form.plural:
            form = form._replace(plural=False)  # woods are a forest
        if word in self.modifiers or (lemma in self.modifiers and not form.plural):
            return Token(
                WordKind.MODIFIER,
                lemma,
                form,
                noun=self.modifiers.get(word, self.modifiers.get(lemma, False)),
            )
        named = word in self.synonyms and lemma not in self.inflections.bases  # "haired": hair
        verb = (form.verb and not named) or (
            lemma != word and lemma in self.inflections.verbs and not form.plural
        )
        return Token(WordKind.VERB if verb else WordKind.WORD, lemma, form)


def load() -> Vocabulary:
    forms = inflections(lines("verbs"), lines("irregular"))
    places, relations = _relations()
    listed = [*_closed_phrases(), *relations]
    single = {
        words[0]: token._replace(form=forms.form(words[0]))
        for words, token in reversed(listed)
        if len(words) == 1
    }
    synonyms, synonymous = _synonyms()
    modifiers, colours = _modifiers(synonyms)
    vocabulary = Vocabulary(forms, synonyms, modifiers, colours, places, single, {})
    phrases = [
        (words, token._replace(form=forms.form(words[0]))) for words, token in listed if len(words) > 1
    ]
    phrases += [(words, _make_token(vocabulary, words, lemma)) for words, lemma in synonymous]
    return Vocabulary(forms, synonyms, modifiers, colours, places, single, _by_first(forms, phrases))


def _closed_phrases() -> Iterable[Phrase]:
    """Words of which there are few; the first that says what a word is counts."""
    for word, kind, number in (
        ("a", WordKind.ARTICLE, 1),
        ("an", WordKind.ARTICLE, 1),
        ("the", WordKind.ARTICLE, 0),
    ):
        yield (word,), Token(kind, word, Form(word), number)
    for word, kind in (
        ("and", WordKind.AND),
        ("but", WordKind.AND),
        ("plus", WordKind.AND),
        ("or", WordKind.OR),
    ):
        yield (word,), Token(kind, word, Form(word))
    for name, kind in (
        ("negations", WordKind.NEGATION),
        ("stop", WordKind.STOP),
        ("trifles", WordKind.TRIFLE),
    ):
        for term in terms(name):
            yield tuple(term.split()), Token(kind, name, Form(term))
    for head, words in rows("numbers"):
        for term in words:
            number = VAGUE[head] if head in VAGUE else int(head)
            yield tuple(term.split()), Token(WordKind.NUMBER, head, Form(term), number)
    for side, words in rows("sides"):
        for term in words:
            yield tuple(term.split()), Token(WordKind.SIDE, side, Form(term))


def _relations() -> tuple[dict[str, int], list[Phrase]]:
    places: dict[str, int] = {}
    phrases: list[Phrase] = []
    for head, (meaning,) in rows("relations"):
        names = set(meaning.split())
        bits = sum(places.setdefault(name, 1 << len(places)) for name in sorted(names - {"*", "-"}))
        name, _, others = head.rpartition("|")
        words = [word.strip() for word in others.split(",")]
        name = name.strip() or words[0]
        token = Token(
            WordKind.RELATION, name, Form(name), places=bits, both_ways="*" in names, encoded="-" not in names
        )
        phrases += [(tuple(word.split()), token) for word in words]
    return places, phrases


def _synonyms() -> tuple[dict[str, str], list[tuple[tuple[str, ...], str]]]:
    """Single words, and phrases."""
    single: dict[str, str] = {}
    phrases = []
    for lemma, others in rows("synonyms"):
        for term in (lemma, *others):
            words = tuple(term.split())
            if len(words) > 1:
                phrases.append((words, lemma))
            elif words[0] not in single:
                single[words[0]] = lemma
    return single, phrases


def _modifiers(synonyms: Mapping[str, str]) -> tuple[dict[str, bool], frozenset[str]]:
    modifiers: dict[str, bool] = {}
    colours = set()
    for head, words in rows("modifiers"):
        for word in words:
            noun, word = word.endswith("*"), word.rstrip("*")
            modifiers.setdefault(word, noun)
            if head == "colour":
                colours.add(synonyms.get(word, word))
    return modifiers, frozenset(colours)


def _make_token(vocabulary: Vocabulary, words: tuple[str, ...], lemma: str) -> Token:
    said = vocabulary.token(lemma)
    return (
        said
        if said.kind in {WordKind.MODIFIER, WordKind.RELATION}
        else Token(WordKind.WORD, lemma, Form(lemma))
    )


def _by_first(forms: Inflections, phrases: Iterable[Phrase]) -> dict[str, tuple[Phrase, ...]]:
    found: dict[str, dict[tuple[str, ...], Token]] = {}
    for words, token in phrases:
        bases = tuple(forms.form(word).base for word in words)
        found.setdefault(bases[0], {}).setdefault(bases, token)
    return {
        first: tuple(sorted(rest.items(), key=lambda phrase: -len(phrase[0])))
        for first, rest in found.items()
    }


VOCABULARY = load()


@lru_cache(maxsize=20_000)
def _look_up(word: str) -> Token:
    return VOCABULARY.token(word)


def token(word: str) -> Token:
    return _look_up(word) if len(word) <= MAX_WORD else VOCABULARY.token(word)
