"""In what two readings differ, one function for each thing. All but `unmet` go both ways."""

from collections.abc import Callable, Mapping

from frontend.cache.rules.facts import COLOURS, FLAWS
from frontend.cache.rules.reading import PromptReading
from frontend.cache.rules.relation import Relation
from frontend.cache.rules.vocabulary import VOCABULARY

MAX_RELATIONS = 64
"""A prompt with more is too tangled to compare."""
MAX_GROUPS = 64
"""So are two with more terms that differ."""


def _bits(*names: str) -> int:
    return sum(VOCABULARY.places[name] for name in names)


_AXES = (
    _bits("above", "under"),
    _bits("front", "behind"),
    _bits("left", "right"),
    _bits("between"),
    _bits("outside"),
    _bits("before", "after"),
)
_LOOSE = _bits("with", "of")


def quotes(asked: PromptReading, made: PromptReading) -> bool:
    return asked.quotes != made.quotes


def signs(asked: PromptReading, made: PromptReading) -> bool:
    """Terms with signs are not the same, and the whole differs in more than commas."""
    if asked.marked != made.marked:
        return True
    return asked.signs != made.signs and asked.wording != made.wording


def counts(asked: PromptReading, made: PromptReading) -> bool:
    if asked.figures != made.figures:
        return True
    if any(word[0] == "#" for word in asked.words ^ made.words):
        return True
    return any(asked.counts[noun] != made.counts[noun] for noun in asked.counts.keys() & made.counts.keys())


def colours(asked: PromptReading, made: PromptReading) -> bool:
    if (asked.words ^ made.words) & COLOURS:
        return True
    return _unbound(asked.bonds, made.bonds, lambda modifier: modifier in COLOURS)


def modifiers(asked: PromptReading, made: PromptReading) -> bool:
    return _unbound(asked.bonds, made.bonds, lambda modifier: modifier not in COLOURS)


def _unbound(
    asked: Mapping[str, frozenset[frozenset[str]]],
    made: Mapping[str, frozenset[frozenset[str]]],
    counts: Callable[[str], bool],
) -> bool:
    """Whether a modifier belongs to something on one side that it does not belong to on the other."""
    if asked == made:
        return False
    for modifier in filter(counts, asked.keys() & made.keys()):
        ones, others = asked[modifier], made[modifier]
        if ones != others and not (_each_meets(ones, others) and _each_meets(others, ones)):
            return True
    return False


def _each_meets(ones: frozenset[frozenset[str]], others: frozenset[frozenset[str]]) -> bool:
    """A modifier that stands alone may belong to anything."""
    shared = frozenset[str]().union(*others)
    return frozenset() in others or all(not one or one & shared for one in ones)


def negations(asked: PromptReading, made: PromptReading) -> bool:
    """One says "no", "without" of something, and the other neither says so nor excludes it."""
    return not (asked.absent <= made.unwanted and made.absent <= asked.unwanted)


def unwanted(asked: PromptReading, made: PromptReading) -> bool:
    """One names what the other does not want."""
    return _names_any(asked, made.absent | made.shunned) or _names_any(made, asked.absent | asked.shunned)


def _names_any(reading: PromptReading, terms: frozenset[frozenset[str]]) -> bool:
    return any(term <= reading.named for term in terms)


def unmet(asked: PromptReading, made: PromptReading) -> bool:
    """The request excludes something that the picture was not told to leave out."""
    return not asked.excluded - FLAWS <= made.unwanted


def sides(asked: PromptReading, made: PromptReading) -> bool:
    if asked.sides.keys() != made.sides.keys():
        return True
    return any(not things & made.sides[side] for side, things in asked.sides.items())


def places(asked: PromptReading, made: PromptReading) -> bool:
    """The same thing has another beside it, or in another place."""
    ones, others = asked.all_relations, made.all_relations
    if ones == others:
        return False
    if max(len(ones), len(others)) > MAX_RELATIONS:
        return True
    if not (_axes_met(ones, others) and _axes_met(others, ones)):
        return True
    return _is_misplaced(ones, made) or _is_misplaced(others, asked)


def _axes_met(ones: tuple[Relation, ...], others: tuple[Relation, ...]) -> bool:
    """Whether each "above or under", "left or right" of one has a counterpart."""
    return all(
        any(other.places & axis for other in others)
        for axis in _AXES
        if any(one.places and not one.places & ~axis for one in ones)
    )


def _is_misplaced(ones: tuple[Relation, ...], made: PromptReading) -> bool:
    for one in ones:
        others = made.relations.get(one.head, ())
        if others and not any(_agree(one, other) for other in others):
            return True
    return False


def _agree(one: Relation, other: Relation) -> bool:
    if one.places and other.places and not one.places & other.places:
        return False
    return _meet(one.before, other.before) and _meet(one.marks, other.marks)


def _meet(ones: frozenset[str], others: frozenset[str]) -> bool:
    """What is not said may be anything."""
    return not ones or not others or bool(ones & others)


def roles(asked: PromptReading, made: PromptReading) -> bool:
    """Two things have changed places: "a boy chasing a dog"."""
    if asked.all_relations == made.all_relations:
        return False
    return any(_is_swapped(one, made) for one in asked.all_relations) or _has_moved(asked, made)


def _is_swapped(one: Relation, made: PromptReading) -> bool:
    if any(other.name == one.name and _agree(one, other) for other in made.relations.get(one.head, ())):
        return False
    return any(
        one.head in other.before and not _same_said(one, other)
        for word in one.before
        for other in made.relations.get(word, ())
    )


def _same_said(one: Relation, other: Relation) -> bool:
    """Whether "A one B" may be "B other A": next to and next to, above and under, in and with."""
    if one.name == other.name:
        return one.both_ways
    if not one.places or not other.places or (one.places | other.places) & _LOOSE:
        return True
    if one.both_ways or other.both_ways:
        return bool(one.places & other.places)
    return any(one.places & axis and other.places & axis for axis in _AXES)


def _has_moved(asked: PromptReading, made: PromptReading) -> bool:
    """A relation that is named once on each side has another thing before it."""
    ones, others = _once(asked), _once(made)
    return any(not _meet(ones[name].before, others[name].before) for name in ones.keys() & others.keys())


def _once(reading: PromptReading) -> dict[str, Relation]:
    found: dict[str, Relation] = {}
    twice = set()
    for one in reading.all_relations:
        if one.name in found:
            twice.add(one.name)
        if not one.both_ways and not one.places & _LOOSE:
            found[one.name] = one
    return {name: one for name, one in found.items() if name not in twice}


def orders(asked: PromptReading, made: PromptReading) -> bool:
    """A term of the same words in another order: what they are to each other is not known."""
    shared = asked.orders.keys() & made.orders.keys()
    return any(asked.orders[words] != made.orders[words] for words in shared)


def groups(asked: PromptReading, made: PromptReading) -> bool:
    """The same words stand together otherwise: "a dog house, cat". Commas that only part what one term of the
    other says are none of this."""
    ones, others = asked.groups - made.groups, made.groups - asked.groups
    if max(len(ones), len(others)) > MAX_GROUPS:
        return True
    return not (_are_parts(ones, made.groups) or _are_parts(others, asked.groups))


def _are_parts(ones: frozenset[frozenset[str]], others: frozenset[frozenset[str]]) -> bool:
    return all(any(one <= other for other in others) for one in ones)


def words(asked: PromptReading, made: PromptReading) -> bool:
    """One names something that the other does not."""
    return asked.words != made.words
