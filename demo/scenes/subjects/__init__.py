"""Things that can stand in a picture. Each is drawn in a frame of its own: feet at (0, 0), about 1 high."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from demo.scenes.palette import Colour
from demo.scenes.pen import Pen
from demo.scenes.subjects import animals, buildings, food, furniture, plants, things, vehicles

ALL_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
FUR = ("orange", "brown", "black", "white")


@dataclass(frozen=True)
class Subject:
    name: str
    plural: str
    draw: Callable[[Pen, Colour], None]
    width: float
    """Of the drawing, for a height of 1."""
    colours: tuple[str, ...] = ALL_COLOURS
    airborne: bool = False
    size: float = 1.0
    """Height relative to an ordinary subject's."""


SUBJECTS = (
    Subject("cat", "cats", animals.cat, 1.3, FUR, size=0.8),
    Subject("dog", "dogs", animals.dog, 1.6, FUR, size=0.8),
    Subject("rabbit", "rabbits", animals.rabbit, 0.7, ("white", "brown", "black", "pink")),
    Subject("bear", "bears", animals.bear, 0.85, ("brown", "black", "white")),
    Subject("bird", "birds", animals.bird, 1.8, airborne=True, size=0.65),
    Subject("owl", "owls", animals.owl, 0.7, ("brown", "white", "purple", "blue")),
    Subject("penguin", "penguins", animals.penguin, 0.7, ("black", "blue", "purple")),
    Subject("turtle", "turtles", animals.turtle, 1.5, ("green", "brown", "blue"), size=0.65),
    Subject("fish", "fish", animals.fish, 1.4, airborne=True, size=0.65),
    Subject("tree", "trees", plants.tree, 0.8, ("green", "orange", "pink", "red", "yellow"), size=1.2),
    Subject("flower", "flowers", plants.flower, 0.6),
    Subject("cactus", "cacti", plants.cactus, 0.7, ("green", "blue", "purple")),
    Subject("mushroom", "mushrooms", plants.mushroom, 0.95),
    Subject("car", "cars", vehicles.car, 2.0, size=0.62),
    Subject("bus", "buses", vehicles.bus, 1.8, size=0.72),
    Subject("boat", "boats", vehicles.boat, 1.05),
    Subject("bicycle", "bicycles", vehicles.bicycle, 1.5, size=0.75),
    Subject("hot-air balloon", "hot-air balloons", vehicles.balloon, 0.75, airborne=True, size=1.1),
    Subject("rocket", "rockets", vehicles.rocket, 0.55),
    Subject("house", "houses", buildings.house, 1.1),
    Subject("castle", "castles", buildings.castle, 1.15, size=1.1),
    Subject("lighthouse", "lighthouses", buildings.lighthouse, 0.45, size=1.2),
    Subject("tent", "tents", buildings.tent, 1.35, size=0.8),
    Subject("chair", "chairs", furniture.chair, 0.65),
    Subject("sofa", "sofas", furniture.sofa, 1.7, size=0.7),
    Subject("lamp", "lamps", furniture.lamp, 0.55, size=1.1),
    Subject("apple", "apples", food.apple, 0.9, ("red", "green", "yellow"), size=0.75),
    Subject("cake", "cakes", food.cake, 1.05, size=0.8),
    Subject("ice cream", "ice creams", food.ice_cream, 0.5),
    Subject("cup", "cups", food.cup, 1.1, size=0.75),
    Subject("ball", "balls", things.ball, 1.0, size=0.7),
    Subject("umbrella", "umbrellas", things.umbrella, 1.1),
    Subject("kite", "kites", things.kite, 0.7, airborne=True),
    Subject(
        "star",
        "stars",
        things.star,
        1.0,
        ("yellow", "orange", "pink", "blue", "purple"),
        airborne=True,
        size=0.8,
    ),
)
BY_NAME = {subject.name: subject for subject in SUBJECTS}
