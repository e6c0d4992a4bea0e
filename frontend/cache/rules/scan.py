"""One pass over a prompt's tokens that notes who is what, how many, and where, without parsing English.

A run is what stands together without a break or a small word between: "two big red sports cars". Its head is
the last word of its first group of words. A modifier belongs to the words behind it in its run, or else to
those before. A relation joins what was said before it, in its clause, to the head of the run behind it.
"""

from collections import defaultdict
from typing import NamedTuple

from frontend.cache.rules.facts import GROUNDS, ON_IN_AT, PLENTY
from frontend.cache.rules.relation import Relation
from frontend.cache.rules.runs import drop_implied, groups
from frontend.cache.rules.vocabulary import VOCABULARY
from frontend.cache.rules.word import NAMES, SOME, Token, WordKind

CLAUSE = 12
"""Words before a relation that are remembered; what is further away does not take part in it."""
ON_ITS_OWN = frozenset({""})
"""What a modifier belongs to that is a term of its own: nobody knows what it is meant for."""
_BEFORE_ADJECTIVE = frozenset(
    {WordKind.ARTICLE, WordKind.NUMBER, WordKind.MODIFIER, WordKind.BREAK, WordKind.AND, WordKind.RELATION}
)
_SIDES = frozenset({"left", "right"})
_WITH = VOCABULARY.places["with"]
_BEHIND_VERB = frozenset({WordKind.ARTICLE, WordKind.RELATION, WordKind.BREAK, WordKind.AND})


class _Pending(NamedTuple):
    """A relation or verb whose other side has not come yet."""

    token: Token
    before: frozenset[str]
    patient: str = ""  # of a passive: what it is done to


class Scan:
    """Filled by `take`, token by token, then `end`."""

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.counts: dict[str, set[int]] = defaultdict(set)
        self.bonds: dict[str, list[frozenset[str]]] = defaultdict(list)
        self.relations: list[Relation] = []
        self.sides: dict[str, set[str]] = defaultdict(set)
        self.absent: set[str] = set()
        self.groups: set[frozenset[str]] = set()
        self._group: set[str] = set()  # what this term names
        self.figures: list[tuple[int, ...]] = []
        self._figure: list[int] = []  # this term's numbers that count nothing
        self._run: list[Token] = []
        self._number = 0  # before the run
        self._indefinite = False  # "a" before the run
        self._before: list[str] = []  # of this clause
        self._related = False  # this clause has a relation
        self._pending: _Pending | None = None
        self._passive = False  # what is pending is one
        self._side = ""  # a side of which nothing has been said yet
        self._guess = ""  # the side that the last run was put on
        self._carried: list[str] = []  # "black and white cat": black waits for its word
        self._last: frozenset[str] = frozenset()  # words of the last group
        self._head = ""  # of the last run
        self._negating = False
        self._previous = WordKind.BREAK

    def take(self, one: Token, following: WordKind) -> None:
        """`following`: the kind of the next token, BREAK at the end."""
        kind = self._kind(one, following)
        if kind is WordKind.NUMBER and following not in NAMES:
            self._figure.append(one.number)  # "2 to 1", "route, 66"
        _TAKES[kind](self, one._replace(kind=kind))
        self._previous = kind

    def end(self) -> None:
        self._break()

    def _kind(self, one: Token, following: WordKind) -> WordKind:
        """Of a form that may be verb or adjective, verb or plural, by what stands beside it."""
        if one.kind is WordKind.VERB and self._previous in _BEFORE_ADJECTIVE and following in NAMES:
            return WordKind.MODIFIER
        if one.form.maybe_verb and self._previous is WordKind.WORD and following in _BEHIND_VERB:
            return one.kind if self._run and self._run[-1].form.plural else WordKind.VERB
        return one.kind

    def _name(self, one: Token) -> None:
        if self._negating:
            self._leave_out(one.lemma)
        else:
            self._run.append(one)

    def _leave_out(self, lemma: str) -> None:
        self.absent.add(lemma)
        self._group.add(f"-{lemma}")

    def _count_number(self, one: Token) -> None:
        self._close()
        self._number = one.number
        if one.number not in {1, SOME}:
            self.words.add(f"#{one.number}")
            self._group.add(f"#{one.number}")

    def _article(self, one: Token) -> None:
        """A word right before an article is a verb, where something was said that can do it."""
        if (
            self._previous is WordKind.WORD
            and not self._pending
            and self._run
            and (self._run[1:] or self._before)
        ):
            self._verb(self._run.pop())
        self._close()
        self._negating = self._negating and self._previous is not WordKind.AND
        self._indefinite = one.number == 1

    def _verb(self, one: Token) -> None:
        self._close()
        if self._negating:
            self._leave_out(one.lemma)
            return
        before = self._snapshot()
        self.bonds[one.lemma].append(before)
        self._related = True
        self.words.add(one.lemma)
        self._group.add(one.lemma)
        self._before.append(one.lemma)
        self._pending = _Pending(one, before, self._head if one.form.participle else "")

    def _relation(self, one: Token) -> None:
        self._close()
        if self._previous is WordKind.NUMBER and one.lemma != "of":
            self._number = 0  # "at 20 on a hill": not 20 hills
        self._negating = self._negating and self._previous is WordKind.NEGATION  # "not wearing a hat"
        verb = self._pending if self._previous is WordKind.VERB and one.form.base == "by" else None
        self._passive = bool(verb and verb.patient)
        if verb and self._passive:
            self.bonds[verb.token.lemma].pop()  # whoever does it comes behind
        else:
            self._pending = _Pending(one, self._snapshot())
        self._related = True

    def _on_side(self, one: Token) -> None:
        self._close()
        if self._before:
            self._unguess()
            self.sides[one.lemma].update(self._snapshot())
        else:
            self._side = one.lemma
        self._related = True

    def _unguess(self) -> None:
        """What was taken for the thing on one side has a side of its own: the other is the character's."""
        if self._guess and self.sides[self._guess] & set(self._before):
            self.sides[self._guess] = {""}
        self._guess = ""

    def _negation(self, one: Token) -> None:
        self._close()
        if one.lemma == "negations":
            self._negating = True
        else:
            self._leave_out(one.lemma)

    def _and(self, _: Token) -> None:
        self._close(carry=True)
        if self._related:
            self._new_clause()

    def _silent(self, _: Token) -> None:
        self._close()

    def _break(self, _: Token | None = None) -> None:
        self._close()
        self._new_clause()
        if self._negating and self._previous in {WordKind.NEGATION, WordKind.NUMBER}:
            self._leave_out("")  # "hat, no, scarf", "minus 5"
        for modifier in self._carried:
            self.bonds[modifier].append(ON_ITS_OWN)
        if self._group:
            self.groups.add(frozenset(self._group))
            self._group = set()
        if self._figure:
            self.figures.append(tuple(self._figure))
            self._figure = []
        self._number, self._indefinite = 0, False
        self._carried, self._last, self._negating = [], frozenset(), False

    def _new_clause(self) -> None:
        if self._pending and self._pending.token.kind is WordKind.RELATION:
            self.words.add(self._pending.token.lemma)  # "the lamp is off"
        self._before, self._related, self._pending, self._head = [], False, None, ""

    def _snapshot(self) -> frozenset[str]:
        return frozenset(self._before[-CLAUSE:])

    def _close(self, carry: bool = False) -> None:
        """The run ends. With `carry`, modifiers without a word wait for the next run."""
        if not self._run:
            return
        whole, self._run = self._run, []
        run = drop_implied(whole)
        self._bind(run, carry, counted=run[-1] is whole[-1])
        said = [one.lemma for one in run]
        self.words.update(said)
        self._group.update(said)
        self._before += said
        self._number, self._indefinite = 0, False

    def _bind(self, run: list[Token], carry: bool, counted: bool) -> None:
        """Binds the run's modifiers, counts its head, joins it to what was pending."""
        modifiers, self._carried = self._carried, []
        first: frozenset[str] | None = None
        for group in groups(run):
            modifiers += [one.lemma for one in group if one.kind is WordKind.MODIFIER]
            nouns = [one for one in group if one.kind is not WordKind.MODIFIER]
            if not nouns:
                self._trailing(modifiers, carry)
                continue
            self._bond(modifiers, nouns)
            head, marks = nouns[-1].lemma, frozenset((*modifiers, *(one.lemma for one in nouns[-CLAUSE:-1])))
            if first is None:
                first = self._last
                self._count(nouns, marks, counted)
                self._join(self._last, head, marks)
            else:  # "boy red hat"
                self.relations.append(Relation("with", _WITH, True, first, head, marks))
            modifiers = []

    def _trailing(self, modifiers: list[str], carry: bool) -> None:
        """Modifiers with no word behind them."""
        if carry:
            self._carried = modifiers
        elif self._last:
            for modifier in modifiers:  # "the car is red"
                self.bonds[modifier].append(self._last)
        elif modifiers[-1] in _SIDES:  # "left: a cat"
            self._side = modifiers[-1]
        else:
            for modifier in modifiers:  # "a car, red"
                self.bonds[modifier].append(ON_ITS_OWN)
        self._pending = None

    def _bond(self, modifiers: list[str], nouns: list[Token]) -> None:
        self._last = frozenset(one.lemma for one in nouns)
        for modifier in modifiers:
            self.bonds[modifier].append(self._last)
        rest = frozenset(one.lemma for one in nouns[-CLAUSE:])
        for noun in nouns[-CLAUSE:-1]:
            self.bonds[noun.lemma].append(rest - {noun.lemma})

    def _count(self, nouns: list[Token], marks: frozenset[str], whole: bool) -> None:
        head = nouns[-1]
        if self._number:
            head = next((one for one in nouns if one.form.plural), head)
            self.counts[head.lemma].add(self._number)
            for mark in marks:  # two red apples and one green
                self.counts[f"{mark} {head.lemma}"].add(self._number)
            if self._number == 1 and head.lemma in PLENTY:
                self.words.add("#1")
        elif whole and (head.lemma not in PLENTY or self._indefinite):
            self.counts[head.lemma].add(SOME if head.form.plural else 1)

    def _join(self, nouns: frozenset[str], head: str, marks: frozenset[str]) -> None:
        pending, self._pending, self._head = self._pending, None, head
        if self._side:
            self.sides[self._side].update(nouns)
            self._guess, self._side = self._side, ""
        if not pending:
            return
        one = pending.token
        if one.kind is not WordKind.RELATION:
            self._done_to(pending, nouns, head, marks)
            return
        places = one.places | ON_IN_AT if one.places & ON_IN_AT and head in GROUNDS else one.places
        self.relations.append(Relation(one.lemma, places, one.both_ways, pending.before, head, marks))

    def _done_to(self, verb: _Pending, nouns: frozenset[str], head: str, marks: frozenset[str]) -> None:
        name = verb.token.lemma
        if self._passive and verb.patient:
            self.bonds[name].append(nouns)
            self.relations.append(Relation(name, 0, False, nouns, verb.patient))
        else:
            self.relations.append(Relation(name, 0, False, verb.before, head, marks))


_TAKES = {
    WordKind.WORD: Scan._name,
    WordKind.MODIFIER: Scan._name,
    WordKind.VERB: Scan._verb,
    WordKind.NUMBER: Scan._count_number,
    WordKind.RELATION: Scan._relation,
    WordKind.SIDE: Scan._on_side,
    WordKind.NEGATION: Scan._negation,
    WordKind.ARTICLE: Scan._article,
    WordKind.AND: Scan._and,
    WordKind.OR: Scan._silent,
    WordKind.STOP: Scan._silent,
    WordKind.BREAK: Scan._break,
}
